"""``genrl evaluate``: every finished stage of a run, measured again."""

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from genrl.callbacks import ImageEvaluationCallback, RunContext, callbacks
from genrl.registry import ConfigurationError, suggest
from genrl.report import write_report
from genrl.run_folder import RunFolder
from genrl.tasks.agent import is_agent
from genrl.tasks.build import build_data
from genrl.tasks.components import with_components
from genrl.tasks.device import best_device
from genrl.tasks.evaluation import make_evaluation
from genrl.tasks.likelihood import evaluate_likelihood
from genrl.tasks.optimized import chosen_file
from genrl.tasks.sample import load_trained_stage
from genrl.tasks.watch_agent import evaluate_agent


@dataclass
class EvaluateOptions:
    """What ``genrl evaluate`` takes after the run; None takes what the run was configured with.

    ``steps``, ``ode_n`` and ``ode_steps`` belong to ``likelihood``, ``w`` to samples.
    """

    n: int | None = None
    w: list[float] | None = None
    stage: str | None = None
    grid: str | None = None
    likelihood: bool = False
    steps: list[int] | None = None
    ode_n: int | None = None
    ode_steps: int | None = None
    device: str = "auto"
    components: dict[str, dict[str, Any]] = field(default_factory=dict)


def evaluate(path: Path, options: EvaluateOptions) -> str:
    """Measure the stages of a run and renew its summary, pictures and page; returns where they are.

    With other components than the run's it only prints what it finds: the files describe the run.

    Raises:
        ConfigurationError: if the run has no such stage or nothing to evaluate with.
    """
    folder = RunFolder.open(path)
    config = folder.config()
    if is_agent(config):
        if options != EvaluateOptions(n=options.n, device=options.device):
            raise ConfigurationError(f"{path} is an agent's run: only n= (episodes) applies")
        return evaluate_agent(folder, options.n)
    stages = folder.finished_stages()
    if not stages:
        raise ConfigurationError(f"no stage of {path} is finished yet: genrl resume {path}")
    if options.stage is not None and options.stage not in stages:
        raise ConfigurationError(
            f"{path} has no finished stage '{options.stage}'.{suggest(options.stage, stages)} "
            f"Stages: {', '.join(stages)}"
        )
    wanted = stages if options.stage is None else [options.stage]
    if "guidance" in options.components and options.stage is None:
        wanted = [stage for stage in stages if not folder.load_stage(stage)["genrl"]["is_guided"]]
    config = with_components(config, options.components)
    device = best_device(options.device)
    if options.likelihood:
        if options.w is not None or options.components:
            raise ConfigurationError(
                "likelihood is that of the model without guidance or sampler: leave out w= and "
                "other components"
            )
        if options.grid is not None:
            raise ConfigurationError("likelihood needs no sampler: leave out grid=")
        return evaluate_likelihood(
            folder,
            stage=options.stage,
            n=options.n,
            steps=options.steps,
            ode_n=360 if options.ode_n is None else options.ode_n,
            ode_steps=32 if options.ode_steps is None else options.ode_steps,
            device=device,
        )
    for name in ("steps", "ode_n", "ode_steps"):
        if getattr(options, name) is not None:
            raise ConfigurationError(f"{name}= belongs to --likelihood")
    make = partial(make_evaluation, folder, config, build_data(config), print)
    settings = config["evaluation"]
    if settings["name"] == "none":
        settings = {"name": "image_evaluation"}
    if options.n is not None:
        settings = {**settings, "num_samples": options.n}
    callback = callbacks.build(settings, RunContext(folder, config, make))
    if not isinstance(callback, ImageEvaluationCallback):
        raise ConfigurationError(f"the evaluation '{settings['name']}' belongs to training alone")
    is_partial = bool(options.stage or options.w or config["teacher"] or options.grid)
    if not options.components:
        _check_number(folder, callback.num_samples, is_partial=is_partial)
    plan = callback.plan
    if options.w is not None:
        plan = replace(plan, w=tuple(options.w))
    evaluation = make(
        plan,
        num_samples=callback.num_samples,
        seed=callback.seed,
        batch_size=callback.batch_size,
        device=device,
        is_written=not options.components,
    )
    optimized = chosen_file(options.grid, options.stage, options.components)
    if optimized is not None:
        trained = load_trained_stage(folder, optimized.stage, device, options.components)
        trained.drawer.sampler = optimized.sampler(trained.drawer.sampler)
        evaluation.make_drawer = lambda denoiser, is_guided: trained.drawer
        evaluation.stage(
            f"{optimized.stage}, {optimized.method}",
            trained.drawer.denoiser,
            num_steps=optimized.steps,
            is_guided=False,
        )
        wanted = []
    for stage in wanted:
        trained = load_trained_stage(folder, stage, device, options.components)
        evaluation.stage(
            stage,
            trained.drawer.denoiser,
            num_steps=trained.num_steps,
            is_guided=trained.is_guided,
        )
    if options.components:
        return "measured with other components than the run's: nothing of the run was changed"
    write_report([folder.path], folder.report)
    return f"{folder.summary}\n{folder.report}"


def _check_number(folder: RunFolder, num_samples: int, *, is_partial: bool) -> None:
    """One table, one number of samples: distances of different numbers do not compare."""
    measured = folder.read_summary().get("num_samples", num_samples)
    if is_partial and measured != num_samples:
        raise ConfigurationError(
            f"the other rows of {folder.path} were measured with {measured} samples: give "
            f"n={measured}, or evaluate everything again (no stage=, no w=, a teacher of the run)"
        )
