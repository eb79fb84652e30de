"""The network may compute in low precision; its predictions are in the type of the data."""

import pytest
import torch
from torch import Tensor, nn

from genrl.diffusion import CosineSchedule, Denoiser, NoiseLevel, Prediction
from genrl.diffusion.parameterizations import Parameterization, parameterizations

SIZE = 16


class Linear(nn.Module):
    """A network of one matrix for each channel, which autocast runs in bf16."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.layer = nn.Linear(SIZE, outputs * SIZE)

    def forward(self, z: Tensor, *_: Tensor) -> Tensor:
        return self.layer(z.flatten(1)).reshape(len(z), -1, SIZE)


class Turned(Parameterization):
    """x is the output times a matrix: an operation that autocast runs in bf16."""

    matrix = torch.linspace(-1, 1, SIZE**2).reshape(SIZE, SIZE)

    def prediction(self, output: Tensor, z: Tensor, level: NoiseLevel) -> Prediction:
        return Prediction.from_x(output @ self.matrix, z, level)

    def output(self, prediction: Prediction) -> Tensor:
        raise NotImplementedError


MEANINGS: dict[str, Parameterization] = {
    **{name: parameterizations.build(name) for name in parameterizations.names()},
    "turned": Turned(),
}


@pytest.mark.parametrize("name", MEANINGS)
@torch.no_grad()
def test_only_the_network_is_in_low_precision(name: str) -> None:
    """The prediction is that of the rounded output, to the last bit."""
    schedule, meaning = CosineSchedule(log_snr_min=-8.0), MEANINGS[name]
    network = Linear(meaning.num_outputs)
    denoiser = Denoiser(network, schedule, meaning)
    z = torch.randn(3, 1, SIZE, generator=torch.Generator().manual_seed(0))
    t = torch.tensor([0.1, 0.5, 0.9])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = denoiser(z, t)
        output = network(z * meaning.input_scale(schedule.level_like(t, z)))
    assert output.dtype == torch.bfloat16
    by_hand = meaning.prediction(output.float(), z, schedule.level_like(t, z))
    for value, expected in ((found.x, by_hand.x), (found.eps, by_hand.eps)):
        assert value.dtype == torch.float32
        assert torch.equal(value, expected)
    exact = denoiser(z, t)
    assert not torch.equal(exact.x, found.x)
