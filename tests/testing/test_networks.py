"""The check of networks accepts genrl's own and names what is wrong with others."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from genrl.networks import MLP, Network
from genrl.testing import CheckError, check_network
from genrl.typing import DataSpec


class _Wrong(Network):
    """A perceptron with one thing spoilt."""

    def __init__(self, spec: DataSpec, num_outputs: int) -> None:
        super().__init__(spec, num_outputs)
        self.inner = MLP(spec, num_outputs, features=16, num_layers=1)


class _Unused(_Wrong):
    def __init__(self, spec: DataSpec, num_outputs: int) -> None:
        super().__init__(spec, num_outputs)
        self.spare = nn.Parameter(torch.zeros(3))

    def forward(self, z, log_snr, label=None, w=None, condition=None):
        return self.inner(z, log_snr, label, w)


class _Narrow(_Wrong):
    def forward(self, z, log_snr, label=None, w=None, condition=None):
        return self.inner(z, log_snr, label, w)[:, :1]


class _Unlabelled(_Wrong):
    def __init__(self, spec: DataSpec, num_outputs: int) -> None:
        super().__init__(DataSpec(spec.shape), num_outputs)

    def forward(self, z, log_snr, label=None, w=None, condition=None):
        return self.inner(z, log_snr, None, w)


class _Timeless(_Wrong):
    def forward(self, z, log_snr, label=None, w=None, condition=None):
        return self.inner(z, torch.zeros_like(log_snr), label, w)


class _NullIsFirst(_Wrong):
    def forward(self, z, log_snr, label=None, w=None, condition=None):
        null = torch.zeros(len(z), dtype=torch.long)
        return self.inner(z, log_snr, null if label is None else label, w)


class _Mixing(_Wrong):
    def forward(self, z, log_snr, label=None, w=None, condition=None):
        return self.inner(z, log_snr, label, w) + 1e-3 * z.mean()


class _Forgetful(_Wrong):
    def __init__(self, spec: DataSpec, num_outputs: int) -> None:
        super().__init__(spec, num_outputs)
        self.scale = 1.0

    def forward(self, z, log_snr, label=None, w=None, condition=None):
        if self.training:
            self.scale += 0.01
        output: Tensor = self.scale * self.inner(z, log_snr, label, w)
        return output


@pytest.mark.parametrize(
    ("build", "complaint"),
    [
        (_Unused, "no gradient reaches spare"),
        (_Narrow, "with num_outputs=2 the output of 2 examples is"),
        (_Unlabelled, "label does not change the output"),
        (_Timeless, "log_snr does not change the output"),
        (_NullIsFirst, "no label must be the null class, 3"),
        (_Mixing, "must not depend on the others of its batch"),
        (_Forgetful, "missing from its state_dict"),
    ],
)
def test_what_is_wrong_is_named(build: Callable[[DataSpec, int], Network], complaint: str) -> None:
    before = torch.random.get_rng_state()
    with pytest.raises(CheckError, match=complaint):
        check_network(build)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_network_of_points_without_classes() -> None:
    figures = check_network(lambda spec, n: MLP(spec, n, features=8), DataSpec((2,)))
    assert figures["parameters"] > 100
    assert figures["batch_error"] < 1e-12
