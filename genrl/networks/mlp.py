"""A multilayer perceptron for points and vectors.

Residual layers with scale and shift from the condition (FiLM, Perez et al. 2018):
h ← h + W_2 SiLU((1 + s) · norm(W_1 h) + b).
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from genrl.networks.base import Network, networks
from genrl.networks.blocks import zeroed
from genrl.networks.embeddings import ConditionEmbedding
from genrl.typing import Batch, Condition, Data, DataSpec, Labels


class _Layer(nn.Module):
    def __init__(self, features: int, dropout: float) -> None:
        super().__init__()
        self.input = nn.Linear(features, features)
        self.norm = nn.LayerNorm(features, elementwise_affine=False)
        self.modulation = nn.Linear(features, 2 * features)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(features, features)

    def forward(self, hidden: Tensor, embedding: Tensor) -> Tensor:
        scale, shift = self.modulation(embedding).chunk(2, dim=1)
        inner = torch.addcmul(shift, self.norm(self.input(hidden)), 1 + scale)
        output: Tensor = hidden + self.output(self.dropout(silu(inner)))
        return output


@networks.register("mlp")
class MLP(Network):
    """Residual perceptron with scale and shift from the condition; its output starts at 0.

    Args:
        spec: data of any shape; it is flattened.
        num_outputs: outputs for each number of data.
        features: of the hidden layers; a multiple of 4, at least 8.
        num_layers: residual layers.
        dropout: probability inside the layers.
    """

    def __init__(
        self,
        spec: DataSpec,
        num_outputs: int = 1,
        *,
        features: int = 128,
        num_layers: int = 3,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(spec, num_outputs)
        self.embedding = ConditionEmbedding(features, spec.num_classes, spec.condition_size)
        self.input = nn.Linear(spec.size, features)
        self.layers = nn.ModuleList(_Layer(features, dropout) for _ in range(num_layers))
        self.output = zeroed(nn.Linear(features, num_outputs * spec.size))

    def forward(
        self,
        z: Data,
        log_snr: Batch,
        label: Labels | None = None,
        w: Batch | None = None,
        condition: Condition | None = None,
    ) -> Data:
        """The raw output, (batch, num_outputs · first dimension, ...)."""
        embedding = silu(self.embedding(log_snr, label, w, condition))
        hidden = self.input(z.flatten(1))
        for layer in self.layers:
            hidden = layer(hidden, embedding)
        output: Data = self.output(silu(hidden))
        return output.view(len(z), self.num_outputs * z.shape[1], *z.shape[2:])
