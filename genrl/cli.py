"""The command ``genrl``: its words and how mistakes are reported. Imports nothing heavy.

Mistakes that a user can mend end with one line on standard error and exit code 2; ``--debug`` shows
the traceback.
"""

import contextlib
import gc
import importlib
import os
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass

from genrl.endings import FAILURE_FILE, INTERRUPTED, USAGE_ERROR


@dataclass(frozen=True)
class Command:
    """A word after ``genrl``.

    Args:
        arguments: how to call it.
        summary: one line.
        run: ``module:function`` that takes the remaining arguments.
        details: shown by ``genrl COMMAND --help``.
    """

    arguments: str
    summary: str
    run: str
    details: str = ""


COMMANDS = {
    "train": Command(
        "[+experiment=NAME] [KEY=VALUE ...]",
        "train from a composed config (-m sweeps over comma-separated values)",
        "genrl.training:train",
        "Examples:\n"
        "  genrl train +experiment=cfg_distill\n"
        "  genrl train +experiment=cfg_distill data=image_folder data.root=photos/train\n"
        "  genrl train +experiment=cfg_distill teacher=runs/cfg_distill/2026-01-31_12-00-00\n"
        "  genrl train -m +experiment=cfg_distill seed=0,1,2\n"
        "  genrl train -m +experiment=cfg_distill seed=0,1,2 hydra/launcher=joblib\n"
        "  genrl train -m hydra/sweeper=optuna 'training.learning_rate=interval(1e-4,1e-2)'\n"
        "  genrl train +experiment=cfg_distill --cfg job        (print the config, train nothing)\n"
        "Components to choose from: genrl list",
    ),
    "resume": Command(
        "RUN [trainer.devices=] [trainer.num_nodes=]",
        "go on with an interrupted run, or with the jobs of a sweep",
        "genrl.training:resume",
        "RUN: folder of a run, or of a sweep (runs/NAME/sweep_...): jobs that were interrupted\n"
        "go on, those that failed are tried again, those that had not begun begin, by the sweep's\n"
        "own launcher and search. What is finished is left as it is.\n"
        "trainer.devices, trainer.num_nodes, trainer.strategy, trainer.accelerator: go on with\n"
        "more or fewer processes than before; the global batch and its results stay the same.",
    ),
    "sample": Command(
        "RUN [n=64] [steps=] [w=1] [stage=] [label=] [seed=0] [guidance=] [sampler=] [grid=FILE]",
        "draw samples from any stage of a run, as a picture and an array",
        "genrl.commands:sample",
        "n: number of samples; steps: sampling steps (a distilled stage knows its own);\n"
        "w: guidance weight; stage: teacher, guided, 16 ... 1 (the last one by default);\n"
        "label: one class instead of all; seed: of the noise; out: file name without ending;\n"
        "grid: a file of genrl optimize, of a grid or a sampler;\n"
        "guidance, sampler, time_grid, thresholding: others than the run's, with parameters:\n"
        "  genrl sample RUN stage=teacher w=3 guidance=cfg_interval guidance.low=-1\n"
        "  genrl sample RUN stage=teacher guidance=reconstruction guidance.values=photo.png "
        "guidance.mask=known.png",
    ),
    "collect": Command(
        "RUN [episodes=5] [out=FOLDER] [seed=0] [deterministic=true] [stage=]",
        "record a trained policy as demonstrations, a Minari data set",
        "genrl.commands:collect",
        "episodes: how many, each to its end; out: folder of the data set (default: inside RUN);\n"
        "seed: episode k begins with the environment's seed + k;\n"
        "deterministic: whether the policy takes its mode or samples; stage: the last by default.\n"
        "Imitate it with: genrl train +experiment=gail env=... demonstrations.path=FOLDER",
    ),
    "evaluate": Command(
        "RUN [n=] [w=0,1,2,4] [stage=] [guidance=] [grid=FILE] [--likelihood [steps=] [ode_n=]]",
        "measure every finished stage of a run again, or the likelihood of data",
        "genrl.commands:evaluate",
        "n: number of samples; w: guidance weights, separated by commas; stage: only this one;\n"
        "grid: a file of genrl optimize, measured on the stage that it was found for.\n"
        "Rewrites the run's summary.json, pictures and report; with another guidance, sampler,\n"
        "time_grid or thresholding than the run's it only prints what it finds.\n"
        "--likelihood [steps=16,64,256] [ode_n=360] [ode_steps=32]:\n"
        "bits per dimension of training and held-out data (n examples each) under\n"
        "the first stage, by the variational bound in continuous time and in discrete time of so\n"
        "many steps, and by the probability-flow ODE (ode_n examples, ode_steps of its solver).",
    ),
    "export": Command(
        "RUN --to diffusers [stage=] [w=0,1,2,4] [steps=] [out=FOLDER]",
        "write a stage as a folder that diffusers loads, without code in it",
        "genrl.commands:export",
        "stage: the last one by default; steps: of sampling (a student knows its own);\n"
        "out: folder, RUN/diffusers/STAGE by default. Its README.md says how to load it offline:\n"
        "  import genrl.exported\n"
        "  pipe = DiffusionPipeline.from_pretrained(FOLDER)\n"
        "  rows = torch.tensor([[3.0, 2.0], [7.0, 2.0]])  # class and w of each image\n"
        "  pipe(batch_size=2, class_labels=rows, num_inference_steps=4).images\n"
        "A run with network=diffusers_unet becomes a UNet2DModel, which needs no genrl; w is then\n"
        "the list of weights that a guided stage can be asked for.\n"
        "genrl.json in the folder says which class_labels stand for which w.",
    ),
    "optimize": Command(
        "RUN grid=dp|sampler=ggdm [steps=4,8,16,32] [stage=] [w=0] [num_samples=1000] [seed=0]",
        "few-step sampling of a trained model made better without training it",
        "genrl.commands:optimize",
        "grid=dp: the time grid of the best variational bound, exactly, by a dynamic program over\n"
        "[times=1000] network evaluations of [n=256] training examples;\n"
        "sampler=ggdm: all coefficients of the sampler, by the gradient of a kernel distance\n"
        "through it, [updates=100] of [batch_size=128] samples from DDIM's [eta=0.1] on;\n"
        "[rematerialize=false] saves a third of the work for the memory of all evaluations.\n"
        "Prints bound and Fréchet distance beside the uniform and Karras' grid; what was found is\n"
        "in RUN/optimized: genrl sample RUN grid=RUN/optimized/dp_8.json",
    ),
    "ema": Command(
        "RUN [sigma_rel=0.1] [stage=]",
        "make the average of any width of a stage's weights after training",
        "genrl.commands:ema",
        "sigma_rel: width as a part of the stage, 0 to 0.288, several separated by commas;\n"
        "stage: whose weights (the last one by default). Needs a run that was trained with\n"
        "  genrl train ... +callback@callbacks.posthoc_ema=posthoc_ema\n"
        "The average is a stage of its own: genrl sample RUN stage=teacher_ema0.1.",
    ),
    "report": Command(
        "RUN [RUN ...] [out=FILE]",
        "write the HTML page of a run, or one that compares several, such as a sweep's",
        "genrl.commands:report",
    ),
    "verify": Command(
        "[KEY=VALUE ...] | --all  [--out FILE]",
        "prove a composed diffusion stack against closed forms, or all that is registered",
        "genrl.commands:verify",
        "The network is replaced by the exact denoiser of Gaussian and mixture data; no data is\n"
        "loaded and nothing is trained. Takes what genrl train takes:\n"
        "  genrl verify schedule=flow parameterization=flow_velocity sampler=heun\n"
        "  genrl verify +experiment=cfg_distill time_grid=karras time_grid.rho=5\n"
        "  genrl verify --all --out table.json     (every combination, plugins included; minutes)\n"
        "Errors are those of the end point after N evaluations of the network, with measured and\n"
        "nominal order of convergence; for samplers with noise, those of mean and standard\n"
        "deviation. A row is green, red, or impossible for the reason that a component gives.\n"
        "--out writes the table as text, or as JSON where FILE ends in .json.\n"
        "Exit code 1 where a row is red. In your own tests: genrl.testing.check_sampler and so on.",
    ),
    "new-plugin": Command(
        "NAME [--kind KIND] [--out FOLDER]",
        "write a package of your own with a component, an experiment and tests",
        "genrl.commands:new_plugin",
        "KIND: sampler (the default), schedule, weighting, time_grid, network, imitation_loss or\n"
        "callback; FOLDER: ./NAME by default. Install it and genrl finds what it registers:\n"
        "  genrl new-plugin demo && pip install -e demo && genrl list",
    ),
    "plan": Command(
        "[+experiment=NAME] [KEY=VALUE ...] [classes=N]",
        "memory, operations and communication of a run, without beginning it",
        "genrl.commands:plan",
        "Takes what genrl train takes, trainer.devices and trainer.num_nodes too; one update of\n"
        "each kind of stage is carried out on tensors without memory:\n"
        "  genrl plan +experiment=cfg_distill trainer=ddp trainer.devices=2\n"
        "  genrl plan +experiment=cfg_distill_imagenet64 data.root=none classes=1000 \\\n"
        "    trainer=ddp trainer.devices=8 trainer.num_nodes=8\n"
        "classes=N: of an image folder that is not here. Bytes are those of eager training.",
    ),
    "list": Command("[KIND]", "components, or those of one kind", "genrl.commands:list_components"),
    "show": Command(
        "KIND.NAME", "a component with its parameters and defaults", "genrl.commands:show_component"
    ),
}


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit.

    Args:
        arguments: without the program's name; None takes those of the process.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    sys.exit(_dispatch(words, debug))


def _dispatch(words: list[str], debug: bool) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(_help())
        return 0 if words else USAGE_ERROR
    if words[0] == "--version":
        from genrl import __version__

        print(__version__)
        return 0
    name, *rest = words
    if name not in COMMANDS:
        return _fail(
            f"genrl knows no command '{name}'.{_nearest(name)} Commands: {', '.join(COMMANDS)}"
        )
    command = COMMANDS[name]
    if any(word in ("-h", "--help") for word in rest):
        print(
            f"genrl {name} {command.arguments}\n\n{command.summary}\n\n{command.details}".rstrip()
        )
        return 0
    return _run(command.run, rest, debug)


def _imported(module: str) -> types.ModuleType:
    """The module; what is imported stays, so that nobody need look for garbage meanwhile."""
    gc.disable()
    try:
        return importlib.import_module(module)
    finally:
        gc.enable()


def _run(path: str, words: list[str], debug: bool) -> int:
    from genrl.heap import keep_freed_memory
    from genrl.plain_warnings import say_in_a_line
    from genrl.registry import ConfigurationError

    keep_freed_memory()
    say_in_a_line()
    module, _, function = path.partition(":")
    try:
        run: Callable[[list[str]], int | None] = getattr(_imported(module), function)
        return run(words) or 0
    except ConfigurationError as error:
        if debug:
            raise
        return _fail(str(error))
    except KeyboardInterrupt as error:
        return _fail(str(error) or "interrupted", INTERRUPTED)
    except Exception as error:
        if debug or not _is_known(error):
            raise
        if isinstance(error, OSError):
            return _fail(f"{error.filename}: {error.strerror}")
        return _fail(str(error), 1)


def _is_known(error: Exception) -> bool:
    """Whether the user can do more than a programmer: a full disk, a dead process."""
    if isinstance(error, OSError):
        return error.filename is not None
    return type(error).__name__ in ("DivergenceError", "LostProcessError")


def _nearest(name: str) -> str:
    from genrl.registry import suggest

    return suggest(name, COMMANDS)


def _fail(message: str, code: int = USAGE_ERROR) -> int:
    line = " ".join(message.split())
    print(f"genrl: {line}", file=sys.stderr)
    if file := os.environ.get(FAILURE_FILE):
        with contextlib.suppress(OSError), open(file, "w") as failure:
            failure.write(line)
    return code


def _help() -> str:
    width = max(len(name) for name in COMMANDS)
    lines = [f"  {name:<{width}}  {command.summary}" for name, command in COMMANDS.items()]
    return (
        "genrl: diffusion, distillation, reinforcement and imitation learning "
        "from interchangeable parts\n\n"
        "usage: genrl COMMAND [ARGUMENTS]\n\n" + "\n".join(lines) + "\n\n"
        "Start with: genrl train +experiment=cfg_distill\n"
        "More of a command: genrl COMMAND --help. With --debug, errors show their traceback."
    )
