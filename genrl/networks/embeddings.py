"""Embeddings of log-SNR, guidance weight and class.

Sinusoidal features of a scalar s at geometric frequencies f_k, k = 0 ... n/2 - 1: [sin(f_k s),
cos(f_k s)]. Vaswani et al. 2017; for λ through the angle of the cosine schedule, Salimans & Ho
2022.
"""

import math

import torch
from torch import Tensor, nn

from genrl.networks.precision import without_autocast
from genrl.networks.timesteps import angle_step
from genrl.typing import Batch, Condition


class SinusoidalEmbedding(nn.Module):
    """Sine and cosine of a scalar at geometric frequencies.

    Args:
        features: even number of features.
        min_frequency: lowest frequency, radians per unit of the scalar.
        max_frequency: highest frequency.

    Raises:
        ValueError: if ``features`` is odd or less than 4.
    """

    frequencies: Tensor

    def __init__(self, features: int, min_frequency: float, max_frequency: float) -> None:
        super().__init__()
        if features < 4 or features % 2:
            raise ValueError(f"an embedding needs an even number of features >= 4, not {features}")
        exponents = torch.linspace(math.log(min_frequency), math.log(max_frequency), features // 2)
        self.register_buffer("frequencies", exponents.exp(), persistent=False)

    def forward(self, scalar: Batch) -> Tensor:
        """Features of shape (batch, features), float32 or better."""
        dtype = torch.promote_types(scalar.dtype, torch.float32)
        with without_autocast(scalar):
            angles = scalar.to(dtype)[:, None] * self.frequencies.to(dtype)
            return torch.cat([angles.sin(), angles.cos()], dim=1)


class ConditionEmbedding(nn.Module):
    """Log-SNR, guidance weight, class and a condition of numbers as one vector.

    e = W_2 SiLU(W_1 φ(angle(λ)) + P ψ(w) + C c) + class,
    angle(λ) = 1000 · arctan(e^{-λ/2}) / (π/2)

    The angle is the time of the cosine schedule, whatever the schedule is, in the units of a
    thousand steps. P starts at zero: a network that has never seen a guidance weight gives the same
    output for all of them (Meng et al. 2022, section 3.1).

    Args:
        features: of the result; a multiple of 4, at least 8.
        num_classes: labels 0 ... num_classes - 1; one more row is the learned null class.
        condition_size: numbers in c; 0 without it.

    Raises:
        ValueError: if ``features`` is no multiple of 4 or less than 8.
    """

    def __init__(self, features: int, num_classes: int, condition_size: int = 0) -> None:
        super().__init__()
        if features < 8 or features % 4:
            raise ValueError(
                f"the condition vector has {features} features, not a multiple of 4 from 8 on"
            )
        self.num_classes = num_classes
        self.time_features = SinusoidalEmbedding(features // 2, 1e-3, 1.0)
        self.guidance_features = SinusoidalEmbedding(32, 0.05, 10.0)
        self.input = nn.Linear(features // 2, features)
        self.guidance = nn.Linear(32, features, bias=False)
        self.output = nn.Linear(features, features)
        self.label = nn.Embedding(num_classes + 1, features) if num_classes else None
        nn.init.zeros_(self.guidance.weight)
        if self.label is not None:
            nn.init.normal_(self.label.weight, std=0.02 * math.sqrt(features))
        # Made last, so that the weights above are the same with and without it.
        self.condition = nn.Linear(condition_size, features) if condition_size else None

    def forward(
        self,
        log_snr: Batch,
        label: Tensor | None,
        w: Batch | None,
        condition: Condition | None = None,
    ) -> Tensor:
        """The condition vector, (batch, features).

        Raises:
            ValueError: if a condition is missing, or given to a network that takes none.
        """
        check_condition(self.condition is not None, condition)
        dtype = self.input.weight.dtype
        hidden = self.input(self.time_features(angle_step(log_snr)).to(dtype))
        if w is not None:
            hidden = hidden + self.guidance(self.guidance_features(w).to(dtype))
        if condition is not None and self.condition is not None:
            hidden = hidden + self.condition(condition.to(dtype))
        embedding: Tensor = self.output(nn.functional.silu(hidden))
        if self.label is not None:
            if label is None:
                label = torch.full((len(log_snr),), self.num_classes, device=log_snr.device)
            embedding = embedding + self.label(label)
        return embedding


def check_condition(takes_condition: bool, condition: Condition | None) -> None:
    """A condition must be given exactly to networks that take one.

    Raises:
        ValueError: if not.
    """
    if (condition is not None) != takes_condition:
        raise ValueError(
            "the network needs a condition vector for each example"
            if takes_condition
            else "the network was built without a condition_size, but a condition is given"
        )
