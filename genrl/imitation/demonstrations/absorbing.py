"""Demonstrations with absorbing states, as the environment wrapper of that name makes them.

Every observation gets one more number: 0, and 1 in the absorbing state (0, ..., 0, 1). An episode
that terminated ends in it and has one step more, its self-loop; one that was cut only gets the
number.

No action matters in the absorbing state, but learner and expert may differ in theirs (here they are
zero), and a discriminator that sees them would tell the two apart by them: `without_idle_actions`
hides them.

Kostrikov et al. 2019, Discriminator-Actor-Critic, section 4.2.
"""

import torch
from torch import Tensor

from genrl.imitation.demonstrations.base import Demonstration, Demonstrations


def with_absorbing_states(demonstrations: Demonstrations) -> Demonstrations:
    """All episodes padded by `pad`."""
    return Demonstrations(
        [pad(episode) for episode in demonstrations.episodes], demonstrations.source
    )


def pad(episode: Demonstration) -> Demonstration:
    """One episode with absorbing states; it no longer terminates."""
    obs = torch.cat([episode.obs, torch.zeros_like(episode.obs[:, :1])], dim=1)
    if not episode.terminated:
        return Demonstration(obs, episode.action, episode.reward, terminated=False)
    absorbing = torch.zeros_like(obs[:2])
    absorbing[:, -1] = 1
    return Demonstration(
        torch.cat([obs[:-1], absorbing]),
        torch.cat([episode.action, torch.zeros_like(episode.action[:1])]),
        torch.cat([episode.reward, torch.zeros_like(episode.reward[:1])]),
        terminated=False,
    )


def without_idle_actions(obs: Tensor, encoded_action: Tensor) -> Tensor:
    """Actions, (..., action_size), with zeros in absorbing states.

    Args:
        obs: (..., obs_size), the last number saying whether the state is absorbing; as they come
            from the environment, not normalized.
        encoded_action: vectors; one-hot where actions are integers.
    """
    return encoded_action * (obs[..., -1:] != 1)
