"""What policies share that plan several actions at once with a diffusion model.

The model generates a chunk of ``horizon`` actions from the last ``obs_steps`` observations. The
first ``action_steps`` of them are executed one after the other, then the policy plans anew: a plan
is coherent over time even where several ways of acting are equally good. Chi et al. 2023, Diffusion
Policy; a chunk begins at the present step here.

The memory of an environment holds, one after the other: the number of planned actions that are
left, the plan's rest, and the ``obs_steps - 1`` last observations. At the start of an episode the
first observation stands for those before it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from genrl.diffusion import (
    Denoiser,
    LowDiscrepancyTimeSampler,
    Sampler,
    StaticThresholding,
    Weighting,
    bind,
)
from genrl.diffusion.noise import randn
from genrl.networks.averaging import MovingAverage
from genrl.rl.policies.base import Policy
from genrl.rl.policies.requirements import bounds_of, require_continuous
from genrl.rl.spec import EnvSpec
from genrl.typing import DataSpec

_MODE_SEED = 0


@dataclass(frozen=True)
class Chunking:
    """How observations and actions are put together.

    Args:
        obs_steps: observations that a plan depends on.
        horizon: actions in a plan.
        action_steps: of them that are executed before planning anew.

    Raises:
        ValueError: if one is less than 1, or more is executed than planned.
    """

    obs_steps: int
    horizon: int
    action_steps: int

    def __post_init__(self) -> None:
        if min(self.obs_steps, self.action_steps) < 1 or self.action_steps > self.horizon:
            raise ValueError(
                "obs_steps and action_steps must be at least 1 and action_steps at most horizon, "
                f"not obs_steps={self.obs_steps}, action_steps={self.action_steps} with "
                f"horizon={self.horizon}"
            )

    def data(self, spec: EnvSpec) -> DataSpec:
        """What the model generates, and from what."""
        return DataSpec(
            (self.horizon, spec.action_size), condition_size=self.obs_steps * spec.obs_size
        )


class ChunkPolicy(Policy):
    """Plans chunks of actions, each within [-1, 1] where the environment has bounds.

    Args:
        spec: of the environment, with continuous actions.
        chunking: sizes.
        denoiser: of chunks, conditioned on observations.
        sampler: how to generate one.
        weighting: of the training loss.
        average: decay of the moving average of the weights, which acts; 0 for none.

    Raises:
        ConfigurationError: if actions are discrete.
    """

    def __init__(
        self,
        spec: EnvSpec,
        chunking: Chunking,
        denoiser: Denoiser,
        sampler: Sampler,
        weighting: Weighting,
        average: float,
    ) -> None:
        require_continuous(spec, "a policy that plans chunks")
        super().__init__(spec)
        self.chunking, self.denoiser = chunking, denoiser
        self.sampler, self.weighting = sampler, weighting
        self.time_sampler = LowDiscrepancyTimeSampler(denoiser.schedule)
        self.average = MovingAverage(denoiser, average) if average else None
        self.bounds = bounds_of(spec, "scaling") if spec.is_bounded else None
        self.thresholding = StaticThresholding() if spec.is_bounded else None
        self.planned = (chunking.action_steps - 1) * spec.action_size
        self.remembered = (chunking.obs_steps - 1) * spec.obs_size
        self.memory_size = 1 + self.planned + self.remembered
        self.window = chunking.obs_steps - 1 + chunking.horizon
        self.window_before = chunking.obs_steps - 1

    @property
    def is_recurrent(self) -> bool:
        """No: windows of demonstrations hold all that a plan depends on."""
        return False

    @property
    def acting(self) -> Denoiser:
        """The model that plans: the average where there is one."""
        model = self.denoiser if self.average is None else self.average.module
        assert isinstance(model, Denoiser)
        return model

    @torch.no_grad()
    def act(
        self,
        obs: Tensor,
        start: Tensor,
        memory: Tensor,
        *,
        generator: torch.Generator | None = None,
        deterministic: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """The next action of the plan.

        A generative model has no mode to take: ``deterministic`` plans from one fixed noise.
        """
        sizes = [1, self.planned, self.remembered]
        count, plan, history = torch.split(memory, sizes, dim=1)
        repeated = obs.repeat(1, self.chunking.obs_steps - 1)
        history = torch.cat([torch.where(start[:, None], repeated, history), obs], dim=1)
        plan = plan.view(len(obs), -1, self.spec.action_size)
        due = start | (count[:, 0] < 0.5)
        upcoming = torch.cat([plan, plan.new_zeros(len(obs), 1, self.spec.action_size)], dim=1)
        left = count - 1
        if bool(due.any()):
            chunk = self.plan(history[due], generator, deterministic=deterministic)
            upcoming, left = upcoming.clone(), left.clone()
            upcoming[due] = chunk[:, : self.chunking.action_steps]
            left[due] = self.chunking.action_steps - 1.0
        memory = torch.cat(
            [left, upcoming[:, 1:].flatten(1), history[:, self.spec.obs_size :]], dim=1
        )
        return upcoming[:, 0], memory

    @torch.no_grad()
    def plan(
        self, history: Tensor, generator: torch.Generator | None, *, deterministic: bool = False
    ) -> Tensor:
        """Chunks (batch, horizon, action_size) in the environment's units.

        Args:
            history: (batch, obs_steps · obs_size), oldest first.
            generator: of the noise.
            deterministic: take the same noise for all and always.
        """
        shape = (self.chunking.horizon, self.spec.action_size)
        if deterministic:
            generator = torch.Generator().manual_seed(_MODE_SEED)
            noise = randn((1, *shape), generator, device=history.device).repeat(len(history), 1, 1)
        else:
            noise = randn((len(history), *shape), generator, device=history.device)
        denoise = bind(self.acting, thresholding=self.thresholding, condition=history)
        x = self.sampler.sample(denoise, noise, generator=generator)
        chunk: Tensor = x if self.bounds is None else self.bounds(x)
        return chunk

    def cloning_loss(
        self,
        obs: Tensor,
        action: Tensor,
        valid: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """The weighted denoising error of the chunk's valid actions."""
        if generator is None:
            generator = torch.Generator().manual_seed(int(torch.randint(2**62, ())))
        first = self.chunking.obs_steps - 1
        x, mask = self.scaled(action[:, first:]), valid[:, first:, None].to(action)
        t = self.time_sampler.sample(len(x), generator).to(x.device)
        noise = randn(x.shape, generator, dtype=x.dtype, device=x.device)
        z = self.denoiser.schedule.perturb(x, t, noise)
        condition = obs[:, : first + 1].flatten(1)
        error = (self.denoiser(z, t, condition=condition).x - x).square() * mask
        mean = error.sum((1, 2)) / (mask.sum((1, 2)) * self.spec.action_size)
        loss: Tensor = self.weighting(t) * mean
        return loss

    def scaled(self, action: Tensor) -> Tensor:
        """Actions as the model sees them."""
        return action if self.bounds is None else self.bounds.inverse(action)

    def after_update(self) -> None:
        """The average follows."""
        if self.average is not None:
            self.average.follow(self.denoiser)
