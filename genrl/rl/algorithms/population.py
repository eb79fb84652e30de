"""Whole episodes of many policies at a time: environment i runs the i-th vector of weights.

Policies without a memory are one, mapped over stacked weights (`torch.func`): a step of all of them
costs little more than a step of one. Those with a memory may depend on where episodes start, which
cannot be mapped; they act one after another.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from genrl.rl.interaction import Interaction
from genrl.rl.policies.base import Policy
from genrl.rl.rollout import Episode, Rollout

STRIDE = 16  # steps between two looks at whether every episode has ended


def evaluate(
    policy: Policy,
    vectors: Tensor,
    seeds: list[int],
    interaction: Interaction,
    max_steps: int,
) -> list[Rollout]:
    """One episode of every vector of weights; rollouts whose columns, joined, are the vectors'.

    Steps after the end of an episode, while others go on, are not valid and count nowhere. Where
    the environments outnumber the vectors, columns at the end have no valid step.

    Args:
        policy: whose weights are replaced; it acts by its mode.
        vectors: weights, (members, parameters), in the order of ``policy.parameters()``, those
            left out that have no gradient.
        seeds: of each member's environment.
        interaction: its environments begin new episodes.
        max_steps: ends an episode.
    """
    collector, rollouts = interaction.collector, []
    count = collector.num_envs
    for first in range(0, len(vectors), count):
        members = vectors[first : first + count]
        missing = count - len(members)
        # Idle environments repeat the last member.
        padded = torch.cat([members, members[-1:].expand(missing, -1)])
        some = seeds[first : first + count]
        collector.reset([*some, *some[-1:] * missing])
        is_idle = torch.arange(count) >= len(members)
        act = stacked_actor(policy, padded, interaction)
        rollouts.append(interaction.record(_episodes(interaction, act, is_idle, max_steps)))
    return rollouts


def stacked_actor(
    policy: Policy, vectors: Tensor, interaction: Interaction
) -> Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]:
    """(obs, start, memory) -> (action, memory), each row by its own weights.

    Args:
        policy: acts by its mode.
        vectors: weights, (env, parameters).
        interaction: normalizes observations; its generator is for modes that are still random.
    """
    trained = {name: p for name, p in policy.named_parameters() if p.requires_grad}
    parts = torch.split(vectors, [p.numel() for p in trained.values()], dim=1)
    stacked = {
        f"policy.{name}": part.reshape(-1, *p.shape)
        for (name, p), part in zip(trained.items(), parts, strict=True)
    }
    generator = interaction.generator if policy.memory_size else None
    mode = _Mode(policy, generator)

    def one(
        weights: dict[str, Tensor], obs: Tensor, start: Tensor, memory: Tensor
    ) -> tuple[Tensor, Tensor]:
        rows = (obs[None], start[None], memory[None])
        action, following = functional_call(mode, weights, rows)
        return action[0], following[0]

    mapped = vmap(one)
    singles = [{name: p[i] for name, p in stacked.items()} for i in range(len(vectors))]

    @torch.no_grad()
    def act(obs: Tensor, start: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        obs = interaction.normalizer(obs)
        if not policy.memory_size:
            action, following = mapped(stacked, obs, start, memory)
            return action, following
        rows = zip(singles, obs, start, memory, strict=True)
        actions, memories = zip(*(one(*row) for row in rows), strict=True)
        return torch.stack(actions), torch.stack(memories)

    return act


def _episodes(
    interaction: Interaction,
    act: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]],
    is_idle: Tensor,
    max_steps: int,
) -> Rollout:
    """From the reset to the first end of every environment."""
    parts: list[Rollout] = []
    ended = is_idle.clone()
    done = 0
    while done < max_steps and not bool(ended.all()):
        parts.append(interaction.collector.collect(act, min(STRIDE, max_steps - done)))
        ended |= parts[-1].steps.done.any(0)
        done += len(parts[-1].steps)
    whole = Rollout.join(parts)
    finished = whole.steps.done.long().cumsum(0)
    # A step is part of the first episode if none before it was the last.
    valid = (finished - whole.steps.done.long() == 0) & ~is_idle
    totals = (whole.steps.reward.double() * valid).sum(0).tolist()
    lengths = valid.sum(0).tolist()
    pairs = zip(totals, lengths, strict=True)
    episodes = [Episode(total, length) for total, length in pairs if length]
    return Rollout(whole.steps, valid, episodes)


class _Mode(nn.Module):
    """Acting by the mode as a module's forward, which `functional_call` wants.

    Args:
        policy: that acts.
        generator: of random numbers that a mode may still need.
    """

    def __init__(self, policy: Policy, generator: torch.Generator | None) -> None:
        super().__init__()
        self.policy, self.generator = policy, generator

    def forward(self, obs: Tensor, start: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """The mode, and the memory after it."""
        return self.policy.act(obs, start, memory, generator=self.generator, deterministic=True)
