"""Network + noise schedule + parameterization = a denoiser, which the whole framework shares."""

from typing import Any, Protocol

from torch import nn

from genrl.diffusion.parameterizations.base import Parameterization
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.networks.base import Network
from genrl.networks.precision import without_autocast
from genrl.typing import Batch, Condition, Data, Labels


class ConditionalDenoise(Protocol):
    """Anything that predicts x and ε: a trained `Denoiser` or a closed form of ``analytic``."""

    def __call__(
        self, z: Data, t: Batch, label: Labels | None = None, w: Batch | None = None
    ) -> Prediction: ...


class Denoiser(nn.Module):
    """Predicts the clean data and the noise in z = α x + σ ε.

    The network may run in low precision; schedule and conversions stay in the type of z.

    Args:
        network: called with (scaled z, λ, label, w), and a condition where one is given.
        schedule: gives λ, α and σ at t.
        parameterization: what the network's output means.
    """

    def __init__(
        self, network: Network, schedule: NoiseSchedule, parameterization: Parameterization
    ) -> None:
        super().__init__()
        self.network = network
        self.schedule = schedule
        self.parameterization = parameterization

    def forward(
        self,
        z: Data,
        t: Batch,
        label: Labels | None = None,
        w: Batch | None = None,
        condition: Condition | None = None,
    ) -> Prediction:
        """x and ε at the noisy z.

        Args:
            z: noisy data.
            t: time of each example, in [0, 1].
            label: class of each example; None and ``num_classes`` mean unconditional.
            w: guidance weight of each example for a guidance-distilled network, else None.
            condition: vector of each example for a network that takes one, else None.
        """
        # A module looks for its children in Python, which takes half a microsecond a name.
        parts: Any = self._modules
        level = parts["schedule"].level_like(t, z)
        scale = self.parameterization.input_scale(level)
        scaled = z if isinstance(scale, float) and scale == 1.0 else z * scale
        inputs = (scaled, level.log_snr, label, w)
        # Not passed where it is None: a network need not know of it.
        given = inputs if condition is None else (*inputs, condition)
        output = parts["network"](*given)
        if output.dtype == z.dtype:
            return self.parameterization.prediction(output, z, level)
        with without_autocast(z):
            return self.parameterization.prediction(output.to(z.dtype), z, level)
