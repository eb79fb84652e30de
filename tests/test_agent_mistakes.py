"""Mistakes around agents: one line that says how to mend it, exit code 2, and no file left."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from command_line import mistake, run

from genrl.imitation.demonstrations.shipped import EXPERTS

SHORT = [
    "callback@progress=none",
    "callback@evaluation=none",
    "algorithm.num_steps=100",
    "algorithm.batch_size=50",
    "algorithm.epochs=1",
    "env.num_envs=2",
    "training.env_steps=200",
]
DIFFUSION = [
    "data=gaussian_mixture",
    "network=mlp",
    "network.features=8",
    "distill=none",
    "training.updates=2",
    "training.batch_size=16",
    "feature=identity",
    "callback@evaluation=none",
    "callback@progress=none",
]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Short runs: an agent's (``ppo``), one that never began (``begun``), a diffusion model's."""
    folder = tmp_path_factory.mktemp("runs")
    agent = ["+experiment=ppo", "env=pendulum", *SHORT]
    assert run("train", *agent, f"hydra.run.dir={folder / 'ppo'}") == 0
    model = ["+experiment=cfg_distill", *DIFFUSION]
    assert run("train", *model, f"hydra.run.dir={folder / 'model'}") == 0
    (folder / "begun").mkdir()
    shutil.copy(folder / "ppo" / "config.yaml", folder / "begun")
    return folder


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("+experiment=ppo algorithm=pppo", "no algorithm is called 'pppo'. Did you mean 'ppo'? "),
        ("+experiment=ppo env=hoper", "no env is called 'hoper'. Did you mean 'hopper'? Available"),
        (
            "+experiment=imitate imitation_loss=gial",
            "no imitation_loss is called 'gial'. Did you mean 'gail'? Available: airl, bc,",
        ),
        (
            "+experiment=ppo algorithm.clipp=.1",
            "algorithm 'ppo' has no parameter 'clipp'. Did you mean 'clip'? Parameters: num_steps,",
        ),
        (
            "+experiment=ppo env.id=Hoper-v5",
            "no environment is called 'Hoper-v5'. Did you mean 'Hopper-v5'? All of them: python -c",
        ),
        ("+experiment=ppo env.id=Nonsense-v0", "no environment is called 'Nonsense-v0'. All of th"),
        ("+experiment=ppo env=gymnasium", "'env.id' has no value: give env.id=..."),
        (
            "+experiment=ppo policy.features=many",
            "no policy is chosen, so that 'policy.features' has nothing to set: give policy=NAME t",
        ),
        (
            "+experiment=ppo policy=gaussian policy.features=many",
            "policy 'gaussian': a list is needed, such as [1,2] (parameter 'features')",
        ),
        ("+experiment=ppo +policy.features=[32]", "the policy has no name; choose one of: catego"),
        (
            "+experiment=imitate imitation_loss=sqil algorithm=ppo",
            "sqil puts demonstrations into batches from a replay buffer, and PPO has none: take an",
        ),
        (
            "+experiment=sac env=cartpole",
            "algorithm 'sac' needs continuous actions, but those of CartPole-v1 are 2 discrete one",
        ),
        ("+experiment=td3 env=cartpole", "algorithm 'td3' needs continuous actions, but those of"),
        ("+experiment=td3 critic=value", "TD3 needs a critic of action values: give critic=twin_q"),
        (
            "+experiment=ppo policy=deterministic",
            "PPO needs a policy with a density, not DeterministicPolicy: take policy=gaussian, cat",
        ),
        (
            "+experiment=ppo,cfg_distill -m",
            "one sweep cannot join experiments of two tasks: ppo (agent), cfg_distill (diffusion)",
        ),
        (
            "+experiment=ppo data=digits",
            "'data' is a key of diffusion runs, which this is not: ",
        ),
        ("env=hopper", "'env' is a key of agent runs, which this is not: choose an experiment of"),
        (
            "+experiment=gail env=walker2d",
            "genrl ships no demonstrations for Walker2d-v5.",
        ),
        (
            "+experiment=gail demonstrations.path=nowhere",
            "there is no Minari data set nowhere,",
        ),
        (
            "+experiment=dagger",
            "imitation_loss=dagger asks an expert for its actions: give ",
        ),
        ("+experiment=dagger expert=nowhere", "there is no run folder"),
        ("+experiment=ppo device=cuda", "agents run on the CPU, not on device=cuda: their network"),
        ("+experiment=ppo trainer=gpu", "agents run on the CPU, not on trainer.accelerator=gpu: t"),
        (
            "+experiment=sac trainer.precision=bf16-mixed",
            "agents compute in float32, not in trainer.precision=bf16-mixed: their networks",
        ),
        ("+experiment=ppo trainer.devices=9", "9 processes cannot share 4 environments"),
        ("+experiment=ppo env.backend=envpol", "env 'gymnasium': 'envpol' is not a value of 'back"),
    ],
)
def test_mistakes_in_training(capsys: pytest.CaptureFixture[str], words: str, said: str) -> None:
    assert mistake(capsys, "train", *words.split()).startswith(said)


def copied(name: str) -> Path:
    """The shipped demonstrations of InvertedPendulum; their HDF5 file."""
    shutil.copytree(EXPERTS / "InvertedPendulum-v5", name)
    (file,) = Path(name).glob("data/*.hdf5")
    return file


def gail(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    return mistake(capsys, "train", "+experiment=gail", "~tuning", *SHORT, *words)


def test_truncated_demonstrations(capsys: pytest.CaptureFixture[str]) -> None:
    file = copied("cut")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    said = gail(capsys, "demonstrations.path=cut")
    assert said.startswith(f"{file} is damaged, cut short or of another format (")
    assert said.endswith("copy, download or record it again")


def test_demonstrations_with_nan(capsys: pytest.CaptureFixture[str]) -> None:
    with h5py.File(copied("holes"), "r+") as file:
        file["episode_1/actions"][3] = np.nan
    said = gail(capsys, "demonstrations.path=holes")
    assert said == "holes, episode 1: action holds NaN or infinite numbers"


def test_demonstrations_of_another_environment(capsys: pytest.CaptureFixture[str]) -> None:
    copied("others")
    said = gail(capsys, "demonstrations.path=others", "env=pendulum")
    assert said.startswith("others was recorded in InvertedPendulum-v5, not in Pendulum-v1; give ")


def test_fewer_demonstrations_than_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    copied("few")
    said = gail(capsys, "demonstrations.path=few", "demonstrations.episodes=50")
    assert said == "few holds 5 whole episodes, fewer than demonstrations.episodes=50"


def test_one_demonstration_is_enough(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["~tuning", "demonstrations.episodes=1", "hydra.run.dir=one"]
    assert run("train", "+experiment=gail", *SHORT, *words) == 0
    assert Path("one/report.html").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("train +experiment=dagger expert={ppo}", "the expert acts in Pendulum-v1, but this run's"),
        ("train +experiment=dagger expert={begun}", "no stage of {begun} is finished yet: genrl r"),
        ("train +experiment=dagger expert={model}", "{model} is no agent's run: it has no policy"),
        ("train +experiment=cfg_distill teacher={ppo}", "{ppo} is an agent's run: a teacher is a"),
        ("evaluate {begun}", "no stage of {begun} is finished yet: genrl resume {begun}"),
        ("evaluate {ppo} n=0", "n must be at least 1, not 0"),
        ("evaluate {ppo} w=1", "{ppo} is an agent's run: only n= (episodes) applies"),
        ("sample {begun}", "no stage of {begun} is finished yet: genrl resume {begun}"),
        ("sample {ppo} steps=4", "{ppo} is an agent's run, of which a video is drawn: only seed="),
        ("collect {begun}", "no stage of {begun} is finished yet: genrl resume {begun}"),
        ("collect {model}", "{model} is no agent's run: it has no policy"),
        ("collect nowhere", "there is no run folder nowhere."),
        ("collect {ppo} episodes=0", "episodes must be at least 1, not 0"),
        ("collect {ppo} episode=2", "there is no option 'episode'. Did you mean 'episodes'? Opti"),
        ("collect {ppo} stage=plicy", "{ppo} has no finished stage 'plicy'. Did you mean 'polic"),
        ("report {ppo} {model}", "a page compares runs of one task, but these are of several: "),
    ],
)
def test_mistakes_with_runs(
    capsys: pytest.CaptureFixture[str], runs: Path, words: str, said: str
) -> None:
    names = {path.name: str(path) for path in runs.iterdir()}
    capsys.readouterr()
    line = [word.format(**names) for word in words.split()]
    assert mistake(capsys, *line).startswith(said.format(**names))


def test_commands_on_an_agents_run(capsys: pytest.CaptureFixture[str], runs: Path) -> None:
    capsys.readouterr()
    assert run("resume", str(runs / "ppo")) == 0
    assert run("evaluate", str(runs / "ppo"), "n=2") == 0
    assert "Pendulum-v1: interquartile mean return -" in capsys.readouterr().out
    assert run("report", str(runs / "ppo"), "out=page.html") == 0
    assert "<html" in Path("page.html").read_text()
    shutil.copytree(runs / "begun", "again")
    assert run("resume", "again") == 0
    trained = [yaml.safe_load(Path(p, "config.yaml").read_text()) for p in ("again", runs / "ppo")]
    assert trained[0] == trained[1]
    again, before = (Path(p, "metrics.csv").read_bytes() for p in ("again", runs / "ppo"))
    assert again == before


def test_list_and_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list") == 0
    assert "imitation_loss    airl, bc, constant, dac," in capsys.readouterr().out
    assert run("list", "policy") == 0
    assert "\ndiffusion " in capsys.readouterr().out
    assert run("show", "imitation_loss.smiling") == 0
    out = capsys.readouterr().out
    assert "imitation_loss.scale: float = " in out
    assert "Choose it with: imitation_loss=smiling" in out
    assert run("show", "policy.diffusion") == 0
    assert "Choose it with: policy=diffusion" in capsys.readouterr().out
