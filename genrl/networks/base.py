"""The contract of a network: what a `Denoiser` calls."""

import abc

from torch import nn

from genrl.registry import Registry
from genrl.typing import Batch, Condition, Data, DataSpec, Labels

networks: Registry["Network"] = Registry("network")


class Network(nn.Module, abc.ABC):
    """Maps noisy data, log-SNR and conditions to an output of ``num_outputs`` times the channels.

    Args:
        spec: shape of an example, number of classes and size of the condition.
        num_outputs: output channels for each channel of data (2 for the parameterization ``both``).
    """

    def __init__(self, spec: DataSpec, num_outputs: int = 1) -> None:
        super().__init__()
        self.spec = spec
        self.num_outputs = num_outputs

    @abc.abstractmethod
    def forward(
        self,
        z: Data,
        log_snr: Batch,
        label: Labels | None = None,
        w: Batch | None = None,
        condition: Condition | None = None,
    ) -> Data:
        """The raw output.

        Args:
            z: scaled noisy data.
            log_snr: λ of each example.
            label: class of each example; ``num_classes`` is the null class, and so is None.
            w: guidance weight of each example, or None for a model that is not guided.
            condition: vector of each example where the spec has a ``condition_size``, else None.
        """
