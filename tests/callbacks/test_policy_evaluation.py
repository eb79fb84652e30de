"""evaluations.jsonl: when, what, nothing from the future; times without the evaluations."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from lightning import Trainer
from torch import Tensor, nn

from genrl.callbacks import RunContext
from genrl.callbacks import policy_evaluation as module_of_callback
from genrl.callbacks.policy_evaluation import PolicyEvaluationCallback, read_lines
from genrl.diffusion import Stage
from genrl.evaluation.statistics import interquartile_mean
from genrl.rl.spec import EnvSpec
from genrl.run_folder import RunFolder

STAGE = Stage("policy", {}, 100, 1.0)
SPEC = EnvSpec("Target", 2, 1, low=(-10.0,), high=(10.0,), max_episode_steps=5)


class Target(gymnasium.Env[Any, Any]):
    """Five steps; the reward is -(action - a number drawn at the reset)²."""

    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = spaces.Box(-10, 10, (1,), np.float32)
    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.target, self.count = float(self.np_random.normal()), 0
        return np.zeros(2, np.float32), {}

    def step(self, action: Any) -> Any:
        self.count += 1
        reward = -((float(action[0]) - self.target) ** 2)
        return np.zeros(2, np.float32), reward, False, self.count == 5, {}

    def render(self) -> Any:
        return np.full((16, 16, 3), 20 * self.count, dtype=np.uint8)


class Constant(nn.Module):
    """Takes its only weight as action."""

    memory_size = 0

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.layers = nn.Sequential(nn.Dropout(), nn.Dropout())
        self.layers[1].eval()

    def act(self, obs: Tensor, start: Tensor, memory: Tensor, **_: Any) -> tuple[Tensor, Tensor]:
        assert not any(layer.training for layer in self.modules())
        return self.weight.expand(len(obs), 1).clone(), memory


class Source:
    """Environments, and how many vector environments were made."""

    def __init__(self) -> None:
        self.made: list[VectorEnv] = []

    def make(self, *, render_mode: str | None = None) -> Target:
        assert render_mode == "rgb_array"
        return Target()

    def make_vector(self, num_envs: int | None = None) -> VectorEnv:
        self.made.append(
            SyncVectorEnv([Target] * (num_envs or 1), autoreset_mode=AutoresetMode.SAME_STEP)
        )
        return self.made[-1]


class Module:
    """What the callback sees of an `AgentModule`: the weight is a function of the update."""

    unit = "steps"

    def __init__(self, steps: int = 40, total: int = 10) -> None:
        self.updates, self.total_updates, self.steps = 0, total, steps
        self.model, self.environment = Constant(), Source()
        self.agent = SimpleNamespace(env_steps=0, gradient_steps=0, spec=SPEC)
        self.said: list[str] = []
        self.go_to(0)

    @property
    def is_over(self) -> bool:
        return self.updates >= self.total_updates

    def units_done(self) -> int:
        return self.agent.env_steps

    def say(self, text: str) -> None:
        self.said.append(text)

    def go_to(self, updates: int) -> None:
        self.updates = updates
        self.agent.env_steps = self.steps * updates
        self.agent.gradient_steps = 3 * updates
        with torch.no_grad():
            self.model.weight.fill_(updates / 10)


class Run:
    """A run with a clock that stands still but for 1 second in each update."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch, **parameters: Any) -> None:
        self.folder, self.now = RunFolder(path), 100.0
        self.file = path / "evaluations.jsonl"
        self.monkeypatch, self.parameters = monkeypatch, parameters
        self.config = {
            "name": "try",
            "seed": 7,
            "algorithm": {"name": "sac"},
            "imitation_loss": {"name": "gail"},
        }
        self.expert: list[float] | None = None
        self.logged: list[tuple[dict[str, float], int]] = []
        monkeypatch.setattr(module_of_callback.time, "perf_counter", lambda: self.now)
        evaluate = module_of_callback.evaluate_policy

        def slow(*args: Any, **kwargs: Any) -> Any:
            self.now += 1000
            return evaluate(*args, **kwargs)

        monkeypatch.setattr(module_of_callback, "evaluate_policy", slow)

    def trainer(self, rank: int = 0) -> Trainer:
        logger = SimpleNamespace(log_metrics=lambda m, step: self.logged.append((m, step)))
        return cast(Trainer, SimpleNamespace(is_global_zero=rank == 0, loggers=[logger]))

    def callback(self) -> PolicyEvaluationCallback:
        context = RunContext(self.folder, self.config, expert_returns=self.expert)
        return PolicyEvaluationCallback(context, **self.parameters)

    def go(
        self,
        module: Any,
        *,
        until: int | None = None,
        state: Any = None,
        rank: int = 0,
    ) -> PolicyEvaluationCallback:
        callback, trainer = self.callback(), self.trainer(rank)
        if state is not None:
            callback.load_state_dict(state)
        callback.on_stage_start(trainer, module, STAGE)
        while module.updates < (until or module.total_updates):
            module.go_to(module.updates + 1)
            self.now += 1
            callback.on_update_end(trainer, module, STAGE)
        if module.is_over:
            callback.on_stage_end(trainer, module, STAGE)
        return callback

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.file.read_text().splitlines()]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(**parameters: Any) -> Run:
        return Run(tmp_path, monkeypatch, **{"every": 100, "videos": False, **parameters})

    return run


def test_when_and_what(make: Any) -> None:
    """Before the first update, at each multiple of ``every`` steps that is passed, at the end."""
    run, module = make(episodes=6, num_envs=4), Module(steps=40, total=11)
    run.go(module)
    lines = run.lines()
    assert [li["update"] for li in lines] == [0, 3, 5, 8, 10, 11]
    assert [li["env_steps"] for li in lines] == [0, 120, 200, 320, 400, 440]
    assert [li["gradient_steps"] for li in lines] == [0, 9, 15, 24, 30, 33]
    assert [li["seconds"] for li in lines] == [0.0, 3.0, 5.0, 8.0, 10.0, 11.0]
    assert list(lines[0]) == [
        "update",
        "env_steps",
        "gradient_steps",
        "seconds",
        "returns",
        "lengths",
    ]
    for line in lines:
        assert line["lengths"] == [5] * 6
        # The same initial states each time: -5 (w - target)² with the targets of the first line.
        targets = np.array(lines[0]["returns"]) / -5
        found = np.sqrt(-np.array(line["returns"]) / 5)
        sides = [np.abs(line["update"] / 10 - s * np.sqrt(targets)) for s in (1, -1)]
        assert np.minimum(*(np.abs(found - side) for side in sides)).max() < 1e-6
    assert [step for _, step in run.logged] == [0, 3, 5, 8, 10, 11]
    assert run.logged[1][0] == {
        "evaluation_return": pytest.approx(float(interquartile_mean(np.array(lines[1]["returns"]))))
    }
    assert module.said[1].startswith("evaluation after 120 steps: return -")
    assert len(module.environment.made) == 1
    assert module.environment.made[0].num_envs == 4
    assert module.environment.made[0].closed


def test_modes_of_layers_are_given_back(make: Any) -> None:
    module = Module()
    make().go(module)
    assert [layer.training for layer in module.model.layers] == [True, False]
    assert module.model.training


def test_seeds_differ_between_runs_and_between_evaluations_of_other_seeds(make: Any) -> None:
    firsts = []
    for seed, own in ((7, 0), (8, 0), (7, 1)):
        run = make(seed=own)
        run.config["seed"] = seed
        run.go(Module())
        firsts.append(run.lines()[0]["returns"])
        run.file.unlink()
    assert len({tuple(returns) for returns in firsts}) == 3


def test_a_run_without_steps_is_evaluated_ten_times(make: Any) -> None:
    run = make()
    run.go(Module(steps=0, total=25))
    assert [li["update"] for li in run.lines()] == [0, 3, 5, 8, 10, 13, 15, 18, 20, 23, 25]


@pytest.mark.parametrize("checkpoint", [0, 2, 3, 4, 7])
def test_a_resumed_run_writes_the_same_file(make: Any, checkpoint: int) -> None:
    """Killed at update 9; its last checkpoint is older, and holds the seconds until then."""
    run = make()
    run.go(Module())
    whole = run.file.read_text()
    run.file.unlink()

    module = Module()
    callback = run.go(module, until=checkpoint or None) if checkpoint else run.callback()
    state = callback.state_dict()
    if checkpoint:
        assert state == {"seconds": float(checkpoint)}
    run.file.unlink(missing_ok=True)
    run.go(Module(), until=9)
    run.now += 12345

    again = Module()
    again.go_to(checkpoint)
    run.go(again, state=state if checkpoint else None)
    assert run.file.read_text() == whole


def test_half_a_line_is_forgotten(make: Any) -> None:
    run = make()
    run.go(Module(), until=4)
    whole = run.file.read_text()
    run.file.write_text(whole + '{"update": 5, "env_st')
    assert [li["update"] for li in read_lines(run.file)] == [0, 3]
    module = Module()
    module.go_to(4)
    run.go(module, until=4)
    assert run.file.read_text() == whole


def test_summary(make: Any) -> None:
    run = make(episodes=8)
    run.go(Module())
    summary = json.loads(run.folder.summary.read_text())
    returns = np.array(run.lines()[-1]["returns"])
    final = summary.pop("final")
    assert summary == {
        "task": "agent",
        "name": "try",
        "env": "Target",
        "algorithm": "sac",
        "imitation_loss": "gail",
        "seed": 7,
        "env_steps": 400,
        "updates": 10,
        "seconds": 10.0,
    }
    assert final["iqm"] == pytest.approx(np.sort(returns)[2:6].mean(), rel=1e-13)
    assert final["mean"] == pytest.approx(returns.mean(), rel=1e-13)
    assert final["std"] == pytest.approx(returns.std(ddof=1), rel=1e-13)
    assert final["episodes"] == 8
    assert returns.min() <= final["interval"][0] < final["iqm"] < final["interval"][1]


def test_summary_of_an_imitator_and_of_one_episode(make: Any) -> None:
    run = make(episodes=1)
    run.expert = [-1.0, -2.0, -6.0]
    run.config |= {"algorithm": {"name": "ppo"}, "imitation_loss": None}
    run.go(Module())
    summary = json.loads(run.folder.summary.read_text())
    assert summary["expert_return"] == -3.0
    assert (summary["algorithm"], summary["imitation_loss"]) == ("ppo", None)
    assert (summary["final"]["interval"], summary["final"]["std"]) == (None, None)


def test_video_of_the_final_policy(make: Any) -> None:
    run, module = make(videos=True), Module()
    run.go(module)
    videos = run.folder.path / "videos"
    (entry,) = json.loads((videos / "index.json").read_text())
    assert (videos / entry["file"]).read_bytes()[4:8] == b"ftyp"
    assert {k: entry[k] for k in ("update", "env_steps", "length", "shown")} == {
        "update": 10,
        "env_steps": 400,
        "length": 5,
        "shown": 5,
    }
    # Environment 0 of the evaluation begins with the same seed.
    assert entry["return"] == pytest.approx(run.lines()[-1]["returns"][0], rel=1e-6)


def test_a_machine_that_cannot_draw_ends_the_run_well(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Any) -> None:
        raise RuntimeError("no GL")

    monkeypatch.setattr(Target, "render", broken)
    run, module = make(videos=True), Module()
    run.go(module)
    assert "no video: Target cannot be rendered here (RuntimeError: no GL)" in module.said[-1]
    assert run.folder.summary.exists()
    assert not (run.folder.path / "videos").exists()


def test_only_the_first_process_evaluates(make: Any) -> None:
    run = make()
    run.go(Module(), rank=1)
    assert not run.file.exists()
    assert not run.folder.summary.exists()


@pytest.mark.parametrize("name", ["episodes", "every", "num_envs"])
def test_counts_below_one_are_refused(make: Any, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be at least 1, not 0"):
        make(**{name: 0}).callback()
