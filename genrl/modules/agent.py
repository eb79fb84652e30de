"""The LightningModule of an agent: one batch is one iteration, collecting and its updates.

The agent does everything itself, in plain torch; Lightning gives it callbacks, loggers and
checkpoints, at a cost per iteration and not per step.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from genrl.diffusion import Stage
from genrl.envs import EnvironmentSource, capture, restore
from genrl.modules.base import StagedModule
from genrl.rl.agent import Actor, Agent

POLICY_STAGE = "policy"


class Iterations:
    """The numbers of the iterations of a run: sized and stateful, as a loader must be.

    Args:
        count: of the whole run.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.position = 0

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[int]:
        for number in range(self.position, self.count):
            self.position = number + 1
            yield number

    def state_dict(self) -> dict[str, Any]:
        """The position."""
        return {"position": self.position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.position = int(state["position"])


class AgentModule(StagedModule):
    """Runs an agent for a number of iterations.

    Args:
        agent: to run.
        environment: that its environments come from; evaluations make their own from it.
        num_iterations: of the run.
        say: where messages go.
    """

    def __init__(
        self,
        agent: Agent,
        environment: EnvironmentSource,
        num_iterations: int,
        say: Callable[[str], None] = print,
    ) -> None:
        super().__init__([Stage(POLICY_STAGE, {}, num_iterations, 1.0)])
        self.automatic_optimization = False
        self.agent, self.environment, self.say = agent, environment, say
        self.unit = "steps" if agent.algorithm.steps_per_iteration else "gradient steps"
        self._shown = ""

    @property
    def model(self) -> Actor:
        """Policy and normalizer."""
        return self.agent.actor

    def about(self) -> dict[str, Any]:
        """How much it has learned from."""
        return {"env_steps": self.agent.env_steps, "gradient_steps": self.agent.gradient_steps}

    def health(self) -> Tensor:
        """Every metric is finite."""
        return torch.stack(list(self.metrics.values())).sum() if self.metrics else torch.zeros(())

    def units_done(self) -> int:
        """Steps of environments, or of gradients where none are taken."""
        return self.agent.env_steps if self.unit == "steps" else self.agent.gradient_steps

    def headline(self) -> str:
        """The return of the last episodes."""
        if "episode_return" in self.metrics:
            self._shown = f"return {self.metrics['episode_return'].item():.1f}"
        elif not self._shown and "loss" in self.metrics:
            return f"loss {self.metrics['loss'].item():.4f}"
        return self._shown

    def configure_optimizers(self) -> None:
        """The algorithm has its own."""

    def training_step(self, batch: int, batch_idx: int) -> None:
        """One iteration."""
        with torch.inference_mode(False), torch.enable_grad():
            metrics = self.agent.iterate()
        metrics["env_steps"] = float(self.agent.env_steps)
        self.metrics = {
            name: torch.tensor(value, dtype=torch.float64) for name, value in metrics.items()
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """The whole agent, and its environments where their state can be saved."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["agent"] = self.agent.state_dict()
        checkpoint["environments"] = capture(self.agent.envs)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Inverse; environments whose state could not be saved begin new episodes."""
        super().on_load_checkpoint(checkpoint)
        self.agent.load_state_dict(checkpoint["agent"])
        if checkpoint["environments"] is None:
            self.say(
                f"the state of {self.agent.spec.env_id} cannot be saved: new episodes begin, "
                "and the run will differ from an uninterrupted one"
            )
            self.agent.restart_episodes()
        else:
            restore(self.agent.envs, checkpoint["environments"])
