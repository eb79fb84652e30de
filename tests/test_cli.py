"""The command line: a mistake is one line on standard error, exit code 2, and leaves no file."""

import subprocess
import sys
from pathlib import Path

import pytest
from command_line import mistake, run

from genrl.cli import COMMANDS, main
from genrl.registry import ConfigurationError

EXPERIMENT = "+experiment=cfg_distill"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["trian"],
            "genrl knows no command 'trian'. Did you mean 'train'? Commands: train, resume",
        ),
        (["list", "smpler"], "there is no kind 'smpler'. Did you mean 'sampler'? Kinds: advantage"),
        (["list", "a", "b"], "usage: genrl list [KIND]"),
        (["show", "sampler.dimm"], "no sampler is called 'dimm'. Did you mean 'ddim'? Available:"),
        (["show", "smpler.ddim"], "there is no kind 'smpler'. Did you mean 'sampler'?"),
        (["show", "sampler"], "write KIND.NAME, for example sampler.ancestral"),
        (["show", "ddim"], "write KIND.NAME, for example sampler.ddim"),
        (["show", "nonsense"], "there is no kind 'nonsense'. Kinds: advantage, algorithm,"),
        (["show"], "usage: genrl show KIND.NAME"),
        (["resume"], "usage: genrl resume RUN"),
        (["resume", "a", "b"], "usage: genrl resume RUN"),
        (["resume", "nowhere"], "there is no run folder nowhere."),
        (["sample"], "usage: genrl sample RUN"),
        (["sample", "nowhere"], "there is no run folder nowhere."),
        (["sample", "nowhere", "n=many"], "value 'many' could not be converted to an integer (opt"),
        (["sample", "nowhere", "stpes=2"], "there is no option 'stpes'. Did you mean 'steps'?"),
        (["sample", "nowhere", "n=[1"], "while parsing a flow sequence (option 'n')"),
        (
            ["evaluate", "nowhere", "w=1,x"],
            "value 'x' could not be converted to a float (option 'w",
        ),
        (["evaluate", "nowhere"], "there is no run folder nowhere."),
        (["export"], "usage: genrl export RUN --to diffusers"),
        (["export", "nowhere", "--to", "diffusers"], "there is no run folder nowhere."),
        (["export", "nowhere", "--to", "onnx"], "to=onnx: a run can be exported to diffusers"),
        (["report"], "usage: genrl report RUN [RUN ...] [out=FILE]"),
        (["report", "nowhere"], "there is no run folder nowhere."),
    ],
)
def test_mistakes(capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    assert mistake(capsys, *words).startswith(said)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "+experiment=cfg_distil",
            "no experiment is called 'cfg_distil'. Did you mean 'cfg_distil",
        ),
        ("experiment=cfg_distill", "write +experiment=... (with the plus)"),
        ("sampler=dimm", "no sampler is called 'dimm'. Did you mean 'ddim'? Available: ancestral,"),
        ("sampler@student_sampler=dimm", "no sampler is called 'dimm'. Did you mean 'ddim'?"),
        (
            "trainer=cppu",
            "no trainer is called 'cppu'. Did you mean 'cpu'? Available: agent, auto,",
        ),
        ("sampler.step=4", "sampler 'ddim' has no parameter 'step'. Did you mean 'steps'? Param"),
        ("++sampler.step=4", "sampler 'ddim' has no parameter 'step'. Did you mean 'steps'? Param"),
        ("+sampler.steps=4", "'sampler.steps' is in the config already: write sampler.steps=... w"),
        ("data.x.y=3", "data 'digits' has no parameter 'x'. Parameters: held_out_fraction"),
        ("trainer.precison=16", "trainer has no parameter 'precison'. Did you mean 'precision'?"),
        ("training.updtes=5", "training has no parameter 'updtes'. Did you mean 'updates'? Param"),
        ("trainning.updates=5", "the config has no key 'trainning'. Did you mean 'training'?"),
        ("expriment=x", "the config has no key 'expriment'. Did you mean 'experiment'?"),
        ("+expriment=x", "the config has no key 'expriment'. Did you mean 'experiment'?"),
        ("~samplr", "the config has no key 'samplr'. Did you mean 'sampler'?"),
        ("~teacher", "this config has no teacher that could be taken away"),
        ("~algorithm", "this config has no algorithm that could be taken away"),
        ("~sampler", "'sampler' has no value: give sampler=..."),
        (
            "sampler.steps=many",
            "sampler 'ddim': value 'many' could not be converted to an integer (parameter 'steps')",
        ),
        ("training.updates=x", "value 'x' could not be converted to an integer (parameter 'traini"),
        ("compile=maybe", "value 'maybe' is neither true nor false (parameter 'compile')"),
        (
            "network.channel_multipliers=4",
            "network 'unet': a list is needed, such as [1,2] (parameter 'channel_multipliers')",
        ),
        ("network.channel_multipliers=[1,x]", "value 'x' could not be converted to an integer ("),
        ("sampler.steps=null", "sampler 'ddim': null is no value of it (parameter 'steps')"),
        ("data=image_folder", "'data.root' has no value: give data.root=..."),
        ("nonsense", "'nonsense' is no override: write KEY=VALUE"),
        ("seed=-1", "seed must be at least 0 and below 2**32, not -1"),
        ("=1", "'=1' names nothing before its '=': write KEY=VALUE"),
        ("@x=true", "'@x=true' names nothing before its '=': write KEY=VALUE"),
        ("hydra/launcher=1", "'hydra/launcher=1': hydra/launcher takes the name of an option"),
        ("hydra/launcher=[1,2]", "'hydra/launcher=[1,2]': hydra/launcher takes the name of an opt"),
        (
            "sampler=[ddim,heun]",
            "'sampler=[ddim,heun]': there is one sampler at a time; to compare ",
        ),
        ("~sampler=[1]", "'~sampler=[1]': sampler takes the name of an option"),
        ("~sampler=1.5", "'~sampler=1.5': sampler takes the name of an option"),
        ("network={name:unet", "'network={name:unet' is no override: write KEY=VALUE"),
        ("--foo", "unrecognized arguments: --foo"),
        ("sampler.steps=0", "sampler 'ddim': steps must be at least 1, not 0"),
        ("student_sampler.eta=2", "sampler 'ddim': eta must be in [0, 1], not 2.0"),
        ("network.channel_multipliers=[1,2,3,4,5]", "network 'unet': images of 8x8 cannot be halv"),
        ("distill.start=12", "distill 'progressive': start=12 cannot be divided by factor=2 down"),
        ("training.updates=0", "the stage 'teacher' needs at least one update and a positive lear"),
        ("training.batch_size=0", "training.batch_size must be at least 1, not 0"),
        ("training.log_every=0", "training.log_every must be at least 1, not 0"),
        ("training.label_dropout=2", "objective 'denoising': label_dropout must be"),
        ("checkpoint.every=0", "callback 'checkpoint': every must be at least 1, not 0"),
        ("feature=inception", "feature 'inception': it is for RGB images"),
        ("optimizer._target_=os.system", "_target_ 'os.system' is not allowed; it must begin with"),
        ("optimizer._target_=torch.optim.Adm", "_target_ 'torch.optim.Adm' does not exist"),
        ("optimizer.betas=5", "torch.optim.Adam"),
        ("device=gpuu", "device 'gpuu' is none of: auto, cpu, cuda"),
        ("teacher=nowhere", "there is no run folder, checkpoint or diffusers folder nowhere."),
        ("hydra.run.dir=/proc/genrl", "/proc/genrl: "),
    ],
)
def test_mistakes_in_training(capsys: pytest.CaptureFixture[str], override: str, said: str) -> None:
    words = [override] if "experiment" in override else [EXPERIMENT, override]
    assert mistake(capsys, "train", *words).startswith(said)


def test_the_nearest_run_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    run_folder = Path("runs/digits/2026-01-31_12-00-00")
    run_folder.mkdir(parents=True)
    (run_folder / "config.yaml").write_text("name: digits\n")
    assert mistake(capsys, "resume", "runs/digit") == (
        "there is no run folder runs/digit. Did you mean 'runs/digits'?"
    )
    assert mistake(capsys, "sample", "runs/digits/2026-01-31_12-00-01").endswith(
        f"Did you mean '{run_folder}'?"
    )
    assert mistake(capsys, "evaluate", "runs/digits") == (
        f"runs/digits is no run folder: it has no config.yaml. Did you mean {run_folder}?"
    )


def test_debug_shows_the_traceback() -> None:
    with pytest.raises(ConfigurationError, match="Did you mean 'ddim'"):
        main(["show", "--debug", "sampler.dimm"])


def test_debug_shows_the_traceback_of_training() -> None:
    with pytest.raises(ConfigurationError, match="Did you mean 'ddim'"):
        main(["train", EXPERIMENT, "sampler=dimm", "--debug"])


def test_a_folder_that_holds_other_things_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    Path("runs").mkdir()
    Path("runs/notes.txt").write_text("mine")
    mistake(capsys, "train", EXPERIMENT, "sampler.steps=0", "hydra.run.dir=runs")
    assert Path("runs/notes.txt").read_text() == "mine"


def test_training_does_not_overwrite_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    Path("run").mkdir()
    Path("run/config.yaml").write_text("name: precious\n")
    assert run("train", EXPERIMENT, "hydra.run.dir=run") == 2
    said = capsys.readouterr().err
    assert "holds a run already: go on with it (genrl resume" in said
    assert Path("run/config.yaml").read_text() == "name: precious\n"


def test_list_and_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list") == 0
    assert "sampler           ancestral, consistency, ddim" in capsys.readouterr().out
    assert run("list", "sampler") == 0
    out = capsys.readouterr().out
    assert "heun" in out
    assert "eta=0.0, steps=64" in out
    assert "[genrl 0.1.0]" in out
    assert run("show", "sampler.ddim") == 0
    out = capsys.readouterr().out
    assert "sampler.steps: int = 64" in out
    assert "Choose it with: sampler=ddim" in out
    assert run("show", "data.image_folder") == 0
    assert "data.root: str (must be given)" in capsys.readouterr().out


def test_the_composed_config_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", EXPERIMENT, "sampler=heun", "--cfg", "job") == 0
    out = capsys.readouterr().out
    assert "name: heun" in out
    assert not list(Path().iterdir())


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert run(name, "--help") == 0
    assert capsys.readouterr().out.startswith(f"genrl {name} {COMMANDS[name].arguments}")


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in COMMANDS)
    assert run("--version") == 0
    assert capsys.readouterr().out == "0.1.0\n"
    assert run() == 2


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"], ["--version"], ["trian"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    """`genrl --help` answers at once: a process of its own, for this one has imported torch."""
    code = (
        "import sys\n"
        "import genrl\n"
        "from genrl.cli import main\n"
        f"try: main({words!r})\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'hydra', 'lightning', 'numpy', 'scipy'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_installed_command() -> None:
    """The console script and ``python -m genrl`` are the same command, as real processes."""
    script = Path(sys.executable).with_name("genrl")
    for start in ([str(script)], [sys.executable, "-m", "genrl"]):
        done = subprocess.run(
            [*start, "trian"], capture_output=True, text=True, check=False, cwd=Path.cwd()
        )
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr.startswith(
            "genrl: genrl knows no command 'trian'. Did you mean 'train'?"
        )
        assert done.stderr.count("\n") == 1
