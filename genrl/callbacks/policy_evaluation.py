"""What the policy earns in environments of its own, while it learns and at the end.

``evaluations.jsonl`` gets a line for each evaluation. Apart from the seconds the file is a function
of the run's config: a resumed run cuts off what was written after its checkpoint and goes on.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium.vector import VectorEnv
from torch import nn

from genrl.callbacks.base import RunContext, StageCallback, callbacks
from genrl.diffusion import Stage
from genrl.diffusion.noise import mixed_seed
from genrl.evaluation.policies import PolicyScores, evaluate_policy
from genrl.evaluation.statistics import Summary, within_run
from genrl.evaluation.video import record_episode, write_video
from genrl.files import write_text
from genrl.registry import ConfigurationError

if TYPE_CHECKING:
    from lightning import Trainer

    from genrl.modules.agent import AgentModule

Line = dict[str, Any]

_EVALUATIONS = 10  # on the way, where the config does not say how often


@callbacks.register("policy_evaluation")
class PolicyEvaluationCallback(StageCallback["AgentModule"]):
    """Returns of whole episodes in separate, seeded environments; a video of the final policy.

    The policy is evaluated before its first update, whenever ``every`` more steps are done, and
    after its last update; always from the same initial states, those of the run's seed. A run that
    takes no steps in environments is evaluated ten times on its way.

    Args:
        context: of the run.
        episodes: in each evaluation.
        every: steps of environments between two evaluations; null: a tenth of the run's.
        seed: of the evaluations; the run's own seed is mixed in.
        videos: whether the final policy is filmed.
        num_envs: environments at a time; each runs its own share of the episodes.
        deterministic: whether the policy takes its mode.

    Raises:
        ValueError: if a count is below 1.
    """

    def __init__(
        self,
        context: RunContext,
        *,
        episodes: int = 10,
        every: int | None = None,
        seed: int = 0,
        videos: bool = True,
        num_envs: int = 10,
        deterministic: bool = True,
    ) -> None:
        if every is None:
            steps = context.config.get("training", {}).get("env_steps", 0)
            every = max(1, steps // _EVALUATIONS)
        for name, value in (("episodes", episodes), ("every", every), ("num_envs", num_envs)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        self.context = context
        self.path = context.folder.path / "evaluations.jsonl"
        self.videos = context.folder.path / "videos"
        self.episodes, self.every, self.has_videos = episodes, every, videos
        self.num_envs, self.deterministic = min(num_envs, episodes), deterministic
        # Some environments take 32 bits, and number i of them takes seed + i.
        self.seed = mixed_seed(context.config.get("seed", 0), seed) % 2**30
        self.lines: list[Line] | None = None
        self.seconds, self._since = 0.0, 0.0
        self._env_steps = 0
        self._is_writer = True
        self._envs: VectorEnv | None = None

    def on_stage_start(self, trainer: Trainer, module: AgentModule, stage: Stage) -> None:
        """Forget lines from the future of a resumed run; evaluate what has not learned yet."""
        self._is_writer = trainer.is_global_zero
        self._env_steps = module.agent.env_steps
        if self.lines is None:
            self.lines = [li for li in read_lines(self.path) if li["update"] <= module.updates]
            self._rewrite()
        if module.updates == 0 and not self.lines:
            self._evaluate(trainer, module)
        self._since = time.perf_counter()

    def on_update_end(self, trainer: Trainer, module: AgentModule, stage: Stage) -> None:
        """Evaluate when it is time, all processes together."""
        is_due = self._is_due(module)
        self._env_steps = module.agent.env_steps
        if is_due or module.is_over:
            self.seconds = self._elapsed()
            self._evaluate(trainer, module)
            self._since = time.perf_counter()

    def on_stage_end(self, trainer: Trainer, module: AgentModule, stage: Stage) -> None:
        """Sum up the run and film its policy."""
        if self._envs is not None:
            self._envs.close()
            self._envs = None
        if not trainer.is_global_zero:
            return
        assert self.lines
        final = self.lines[-1]
        if self.has_videos:
            self._film(module, final)
        self.context.folder.write_summary(
            {
                "task": "agent",
                "name": self.context.config.get("name"),
                "env": module.agent.spec.env_id,
                "algorithm": _name(self.context.config.get("algorithm")),
                "imitation_loss": _name(self.context.config.get("imitation_loss")),
                "seed": self.context.config["seed"],
                "final": _final(final["returns"]),
                "env_steps": final["env_steps"],
                "updates": final["update"],
                "seconds": final["seconds"],
                **self._expert(),
            }
        )

    def state_dict(self) -> dict[str, Any]:
        """The training time so far, evaluations left out."""
        return {"seconds": self._elapsed()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.seconds = float(state_dict["seconds"])

    def _elapsed(self) -> float:
        return self.seconds + (time.perf_counter() - self._since if self._since else 0.0)

    def _is_due(self, module: AgentModule) -> bool:
        """A function of the counters alone, so that a resumed run evaluates at the same points."""
        if module.agent.env_steps:
            return module.agent.env_steps // self.every > self._env_steps // self.every
        done, total = module.updates, module.total_updates
        return _EVALUATIONS * done // total > _EVALUATIONS * (done - 1) // total

    def _evaluate(self, trainer: Trainer, module: AgentModule) -> None:
        if self._envs is None:
            self._envs = module.environment.make_vector(self.num_envs)
        with _evaluating(module.model):
            scores = evaluate_policy(
                module.model,
                self._envs,
                module.agent.spec,
                episodes=self.episodes,
                seed=self.seed,
                memory_size=module.model.memory_size,
                deterministic=self.deterministic,
            )
        self._write(module, scores)
        summary = _summary(scores.returns.tolist())
        module.say(
            f"evaluation after {module.units_done():,} {module.unit}: "
            f"return {_range(summary)} ({self.episodes} episodes)"
        )
        for logger in trainer.loggers:
            logger.log_metrics({"evaluation_return": summary.score}, step=module.updates)

    def _write(self, module: AgentModule, scores: PolicyScores) -> None:
        assert self.lines is not None
        line = {
            "update": module.updates,
            "env_steps": module.agent.env_steps,
            "gradient_steps": module.agent.gradient_steps,
            "seconds": round(self.seconds, 3),
            "returns": scores.returns.tolist(),
            "lengths": scores.lengths.tolist(),
        }
        self.lines.append(line)
        if not self._is_writer:
            return
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def _rewrite(self) -> None:
        assert self.lines is not None
        if self._is_writer and (self.lines or self.path.exists()):
            write_text(self.path, "".join(json.dumps(line) + "\n" for line in self.lines))

    def _film(self, module: AgentModule, final: Line) -> None:
        """A run is not lost because its machine cannot draw."""
        try:
            env = module.environment.make(render_mode="rgb_array")
            with _evaluating(module.model):
                recording = record_episode(
                    module.model,
                    env,
                    module.agent.spec,
                    seed=self.seed,
                    memory_size=module.model.memory_size,
                    deterministic=self.deterministic,
                )
            env.close()
            write_video(self.videos / "final.mp4", recording)
        except ConfigurationError as error:
            module.say(f"no video: {error}")
            return
        entry = {
            "file": "final.mp4",
            "update": final["update"],
            "env_steps": final["env_steps"],
            "return": recording.total,
            "length": recording.length,
            "shown": recording.shown,
        }
        write_text(self.videos / "index.json", json.dumps([entry], indent=1) + "\n")

    def _expert(self) -> dict[str, float]:
        returns = self.context.expert_returns
        return {"expert_return": float(np.mean(returns))} if returns else {}


def read_lines(path: Path) -> list[Line]:
    """The evaluations of a file; none where there is no file.

    A last line without its end was being written when the process died, and is left out.
    """
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


@contextlib.contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Every layer in evaluation mode, and then in the mode that it was in."""
    modes = {layer: layer.training for layer in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for layer, is_training in modes.items():
            layer.training = is_training


def _summary(returns: list[float]) -> Summary:
    return within_run(returns, rng=np.random.default_rng(0))


def _final(returns: list[float]) -> dict[str, Any]:
    summary = _summary(returns)
    interval = summary.interval
    return {
        "iqm": summary.score,
        "interval": None if interval is None else [interval.low, interval.high],
        "mean": float(np.mean(returns)),
        "std": float(np.std(returns, ddof=1)) if len(returns) > 1 else None,
        "episodes": len(returns),
    }


def _range(summary: Summary) -> str:
    if summary.interval is None:
        return f"{summary.score:.1f}"
    return f"{summary.score:.1f} [{summary.interval.low:.1f}, {summary.interval.high:.1f}]"


def _name(choice: Any) -> str | None:
    return str(choice["name"]) if isinstance(choice, dict) else choice
