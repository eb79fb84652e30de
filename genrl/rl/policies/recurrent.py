"""A policy that remembers: a recurrent core, whose output is what head and critics see.

h_t = core(o_t, h_{t-1}), with h_{t-1} = 0 where an episode starts;   a_t ~ head(h_t)

GRU: Cho et al. 2014. LSTM: Hochreiter & Schmidhuber 1997, with the forget gate's bias at 1 (Gers,
Schmidhuber & Cummins 2000). Off-policy, windows start from the memory that was stored when acting
(Kapturowski et al. 2019, Recurrent Experience Replay).
"""

import itertools
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from genrl.networks.perceptron import Activation
from genrl.rl.distributions.base import Distribution
from genrl.rl.policies.base import StochasticPolicy, policies
from genrl.rl.policies.heads import CategoricalHead, GaussianHead, TanhGaussianHead
from genrl.rl.spec import EnvSpec


@policies.register("recurrent")
class RecurrentPolicy(StochasticPolicy):
    """Head on a GRU or LSTM that has seen every observation of the episode.

    Args:
        spec: of the environment.
        cell: of the core.
        memory: numbers in h; an LSTM keeps as many again.
        head: distribution over actions; null is ``categorical`` for discrete actions, and else
            ``gaussian``.
        features: widths of the hidden layers between core and distribution.
        activation: between them.
        initial_log_std: log σ at the start, of Gaussian heads.
        window: consecutive steps of a demonstration that are cloned at once.

    Raises:
        ConfigurationError: if the head cannot act in the environment.
        ValueError: if ``memory`` or ``window`` is less than 1.
    """

    def __init__(
        self,
        spec: EnvSpec,
        *,
        cell: Literal["gru", "lstm"] = "gru",
        memory: int = 64,
        head: Literal["gaussian", "tanh_gaussian", "categorical"] | None = None,
        features: tuple[int, ...] = (64,),
        activation: Activation = "tanh",
        initial_log_std: float = 0.0,
        window: int = 16,
    ) -> None:
        super().__init__(spec)
        if memory < 1 or window < 1:
            raise ValueError(f"memory and window must be at least 1, not {memory} and {window}")
        self.window, self.memory = window, memory
        self.core = (
            nn.LSTM(spec.obs_size, memory) if cell == "lstm" else nn.GRU(spec.obs_size, memory)
        )
        self.memory_size = 2 * memory if cell == "lstm" else memory
        _initialize(self.core)
        self.head: nn.Module
        if head is None:
            head = "categorical" if spec.is_discrete else "gaussian"
        if head == "categorical":
            self.head = CategoricalHead(spec, memory, features, activation)
        elif head == "gaussian":
            self.head = GaussianHead(
                spec, memory, features, activation, std="free", initial_log_std=initial_log_std
            )
        else:
            self.head = TanhGaussianHead(
                spec,
                memory,
                features,
                activation,
                initial_log_std=initial_log_std,
                limits=(-20.0, 2.0),
                init="orthogonal",
            )

    @property
    def num_features(self) -> int:
        """Size of h."""
        return self.core.hidden_size

    def encode(self, obs: Tensor, start: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """h and the memories after each step.

        Between two starts of any environment the core runs over all of the time at once.
        """
        breaks = start[1:].any(-1).nonzero().flatten().tolist()
        parts, state = [], memory
        for first, last in itertools.pairwise([0, *(step + 1 for step in breaks), len(obs)]):
            state = state.masked_fill(start[first].unsqueeze(-1), 0.0)
            part, state = self._run(obs[first:last], state)
            parts.append(part)
        hidden = parts[0] if len(parts) == 1 else torch.cat(parts)
        if isinstance(self.core, nn.GRU):
            return hidden, hidden
        if len(obs) == 1:
            return hidden, state[None]
        return hidden, torch.cat([hidden, _cells(self.core, obs, start, memory, hidden)], -1)

    def forward(self, features: Tensor) -> Distribution:
        """The head's distribution."""
        distribution: Distribution = self.head(features)
        return distribution

    def _run(self, obs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """h of an uninterrupted stretch, and the memory after it."""
        core = self.core
        if isinstance(core, nn.GRU):
            if len(obs) == 1:  # acting; a cell costs a fraction of what a sequence does
                hidden = torch.gru_cell(obs[0], state, *core.all_weights[0])[None]
            else:
                hidden = core(obs, state[None])[0]
            return hidden, hidden[-1]
        before = tuple(part.contiguous() for part in state.chunk(2, -1))
        if len(obs) == 1:
            after = torch.lstm_cell(obs[0], before, *core.all_weights[0])
            return after[0][None], torch.cat(after, -1)
        hidden, (last, cell) = core(obs, (before[0][None], before[1][None]))
        return hidden, torch.cat([last[0], cell[0]], -1)


def _cells(core: nn.LSTM, obs: Tensor, start: Tensor, memory: Tensor, hidden: Tensor) -> Tensor:
    """c after every step, which torch's LSTM keeps to itself.

    With every h known, c_t = f_t c_{t-1} + i_t g_t is linear: no loop over cells is needed.
    """
    forgotten = start.unsqueeze(-1)
    before, cell = memory.masked_fill(forgotten[0], 0.0).chunk(2, -1)
    previous = torch.cat([before[None], hidden[:-1]]).masked_fill(forgotten, 0.0)
    weight_obs, weight_hidden, bias_obs, bias_hidden = core.all_weights[0]
    gates = functional.linear(obs, weight_obs, bias_obs)
    gates = gates + functional.linear(previous, weight_hidden, bias_hidden)
    enter, keep, candidate, _ = gates.chunk(4, -1)
    keep = keep.sigmoid().masked_fill(forgotten, 0.0)
    added = enter.sigmoid() * candidate.tanh()
    cells = []
    for plus, factor in zip(added.unbind(0), keep.unbind(0), strict=True):
        cell = torch.addcmul(plus, factor, cell)
        cells.append(cell)
    return torch.stack(cells)


def _initialize(core: nn.GRU | nn.LSTM) -> None:
    """Orthogonal weights gate by gate, biases zero but the forget gate's."""
    size = core.hidden_size
    weight_obs, weight_hidden, bias_obs, bias_hidden = core.all_weights[0]
    for weight in (weight_obs, weight_hidden):
        for gate in weight.detach().view(-1, size, weight.shape[1]):
            nn.init.orthogonal_(gate)
    nn.init.zeros_(bias_obs)
    nn.init.zeros_(bias_hidden)
    if isinstance(core, nn.LSTM):
        bias_obs.detach()[size : 2 * size] = 1.0
