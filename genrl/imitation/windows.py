"""Windows of consecutive steps of demonstrations, one about each step.

A window about step i of an episode of T steps covers i - before ... i - before + size - 1. Where it
reaches beyond the episode, the first or the last step is repeated and marked as not valid.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from genrl.imitation.demonstrations.base import Demonstration


class Windows:
    """All windows of some episodes, made when they are asked for.

    Args:
        episodes: may be none.
        size: steps in a window.
        before: of them that lie before the step that the window is about.
    """

    def __init__(self, episodes: Sequence[Demonstration], size: int, before: int = 0) -> None:
        lengths = torch.tensor([len(episode) for episode in episodes], dtype=torch.int64)
        ends = lengths.cumsum(0)
        self._first = (ends - lengths).repeat_interleave(lengths)
        self._last = (ends - 1).repeat_interleave(lengths)
        self._offsets = torch.arange(size) - before
        if episodes:
            self._obs = torch.cat([episode.obs[:-1] for episode in episodes])
            self._action = torch.cat([episode.action for episode in episodes])

    def __len__(self) -> int:
        return len(self._first)

    def __getitem__(self, index: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Observations (batch, size, obs_size), actions and validity about the given steps."""
        wanted = index[:, None] + self._offsets
        first, last = self._first[index, None], self._last[index, None]
        taken = torch.minimum(torch.maximum(wanted, first), last)
        return self._obs[taken], self._action[taken], taken == wanted
