"""What buffers make of the steps they have drawn: single ones, sequences, n-step windows.

R = Σ_{k<m} γ^k r_{t+k},  discount = γ^m (1 - terminated_{t+m-1}),  next_obs = s_{t+m}

A window of n steps ends at m <= n: where the episode is terminated or truncated, at the newest step
that is held, and before a step that starts an episode without an end of the one before (a run that
was resumed from a state without its environment). Only termination takes what follows away.

Sutton & Barto 2018, Reinforcement Learning, chapter 7; Hessel et al. 2018, Rainbow.
"""

import torch
from torch import Tensor

from genrl.rl.buffers.base import Relabel, Sample
from genrl.rl.buffers.ring import Ring
from genrl.rl.transitions import Transitions


def single_steps(
    ring: Ring,
    number: Tensor,
    env: Tensor,
    weight: Tensor,
    gamma: float,
    relabel: Relabel | None,
    length: int = 1,
) -> Sample:
    """Drawn steps, (batch,), or each with what follows it, (time, batch)."""
    index = rows = ring.row(number, env)
    if length > 1:
        following = number + torch.arange(length)[:, None]
        rows = ring.row(following, env.expand_as(following))
    steps = ring.fields.gather(rows)
    if relabel is not None:
        steps = Transitions(**{**vars(steps), "reward": relabel(steps)})
    discount = (~steps.terminated).to(steps.reward.dtype).mul_(gamma)
    return Sample(steps, discount, weight.to(steps.reward.dtype), index)


def n_step_windows(
    ring: Ring,
    number: Tensor,
    env: Tensor,
    weight: Tensor,
    gamma: float,
    relabel: Relabel | None,
    num_steps: int,
) -> Sample:
    """Drawn steps with the rewards of up to ``num_steps`` steps summed."""
    following = number + torch.arange(num_steps)[:, None]
    newest = ring.newest(env)
    rows = ring.row(torch.minimum(following, newest), env.expand_as(following))
    ended = ring.fields.field("terminated", rows) | ring.fields.field("truncated", rows)
    # Whether nothing of the window lies beyond this step.
    last = ended | (following >= newest)
    last[:-1] |= ring.fields.field("start", rows[1:])
    last[-1] = True
    count = last.int().argmax(0)
    inside = torch.arange(num_steps)[:, None] <= count
    if relabel is None:
        reward = ring.fields.field("reward", rows)
    else:
        reward = relabel(ring.fields.gather(rows.flatten())).view(rows.shape)
    powers = gamma ** torch.arange(num_steps + 1, dtype=torch.float64)
    total = (reward.double() * powers[:-1, None]).where(inside, 0.0).sum(0).to(reward.dtype)
    first = ring.fields.gather(rows[0])
    final = rows.gather(0, count[None])[0]
    terminated = ring.fields.field("terminated", final)
    steps = Transitions(
        first.obs,
        first.action,
        total,
        ring.fields.field("next_obs", final),
        terminated,
        ring.fields.field("truncated", final),
        first.start,
        first.memory,
    )
    discount = powers[count + 1].where(~terminated, 0.0).to(reward.dtype)
    return Sample(steps, discount, weight.to(reward.dtype), rows[0])


def require_single(num_steps: int, sequence_length: int) -> None:
    """Refuse n-step returns of sequences.

    Raises:
        ValueError: if both are more than 1.
    """
    if num_steps > 1 and sequence_length > 1:
        raise ValueError(
            f"{num_steps}-step returns of sequences need the policy's memory {num_steps} steps "
            "later, which nobody has: take buffer=replay for a policy with a memory"
        )
