"""The generalized sampler: its marginals by elimination, its members, gradients through it."""

import pytest
import torch
from torch import Tensor, nn

from genrl.diffusion import (
    AncestralSampler,
    CosineSchedule,
    DDIMSampler,
    Denoiser,
    GaussianDenoiser,
    GgdmSampler,
    LinearSchedule,
    UniformTimeGrid,
    VParameterization,
    bind,
)
from genrl.diffusion.ggdm import GgdmCoefficients, ddim_coefficients, ggdm_sample
from genrl.networks import MLP
from genrl.typing import DataSpec

F64 = torch.float64
SCHEDULE = CosineSchedule()
GRID = UniformTimeGrid(SCHEDULE)


def gaussian() -> GaussianDenoiser:
    return GaussianDenoiser(SCHEDULE, torch.tensor(0.7, dtype=F64), torch.tensor(0.5, dtype=F64))


def some_coefficients(count: int, seed: int = 0) -> GgdmCoefficients:
    """DDIM's, each changed at random."""
    found = ddim_coefficients(SCHEDULE, GRID.times(count)[:-1], eta=0.4)
    generator = torch.Generator().manual_seed(seed)

    def changed(value: Tensor) -> Tensor:
        return value + 0.05 * torch.randn(value.shape, generator=generator, dtype=F64)

    return GgdmCoefficients(
        changed(found.of_x), changed(found.of_z).tril(), changed(found.std).abs()
    )


def test_marginals_by_elimination() -> None:
    """(1 - M) z = c x + diag(s) ε, solved as a whole for T = 6."""
    coefficients = some_coefficients(6)
    alpha, sigma = torch.tensor(0.3, dtype=F64), torch.tensor(0.9, dtype=F64)
    mean, variance = coefficients.marginals(alpha, sigma)
    matrix = torch.eye(6, dtype=F64)
    matrix[1:, :5] -= coefficients.of_z
    made_of = torch.zeros(6, 7, dtype=F64)
    made_of[:, 0] = torch.cat([alpha[None], coefficients.of_x])
    made_of[:, 1:] = torch.diag(torch.cat([sigma[None], coefficients.std]))
    solution = torch.linalg.solve(matrix, made_of)
    torch.testing.assert_close(mean, solution[:, 0], rtol=0, atol=1e-14)
    torch.testing.assert_close(variance, solution[:, 1:].square().sum(1), rtol=0, atol=1e-14)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_marginals_of_ddim_are_the_schedules(eta: float) -> None:
    times = GRID.times(8)[:-1]
    coefficients = ddim_coefficients(SCHEDULE, times, eta)
    level = SCHEDULE.level(times)
    mean, variance = coefficients.marginals(level.alpha[0], level.sigma[0])
    torch.testing.assert_close(mean, level.alpha, rtol=0, atol=1e-14)
    torch.testing.assert_close(variance, level.sigma.square(), rtol=0, atol=1e-14)
    found, scales = coefficients.times(SCHEDULE)
    torch.testing.assert_close(found, times, rtol=0, atol=1e-12)
    torch.testing.assert_close(scales, torch.ones(8, dtype=F64), rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("eta", "other"),
    [
        (0.0, DDIMSampler(SCHEDULE, GRID)),
        (0.3, DDIMSampler(SCHEDULE, GRID, eta=0.3)),
        (1.0, AncestralSampler(SCHEDULE, GRID, variance_interpolation=0.0)),
    ],
)
def test_ddim_and_ddpm_are_members(eta: float, other: DDIMSampler | AncestralSampler) -> None:
    noise = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=F64)
    mine = GgdmSampler(SCHEDULE, GRID, eta=eta)
    found, wanted = (
        sampler.sample(gaussian(), noise, steps=6, generator=torch.Generator().manual_seed(1))
        for sampler in (mine, other)
    )
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)
    assert mine.is_stochastic == (eta > 0)


@pytest.mark.parametrize(("eta", "mean", "std"), [(0.0, 0.6984, 0.3331), (1.0, 0.7, 0.3050)])
def test_known_moments_of_four_steps(eta: float, mean: float, std: float) -> None:
    """N(0.7, 0.5²) in 4 steps; a linear map of the noises, read off from unit noises.

    The reference values are moments of samples.
    """
    coefficients = ddim_coefficients(SCHEDULE, GRID.times(4)[:-1], eta)
    unit = torch.cat([torch.zeros(1, 4), torch.eye(4)]).to(F64)
    columns = [unit[:, i : i + 1] for i in range(4)]
    out = ggdm_sample(gaussian(), columns[0], columns[1:], SCHEDULE, coefficients)[:, 0]
    assert out[0].item() == pytest.approx(mean, abs=2e-3)
    assert (out[1:] - out[0]).norm().item() == pytest.approx(std, abs=1e-3)


def test_sampler_and_function_agree() -> None:
    coefficients = some_coefficients(5)
    noise = torch.randn(4, 2, generator=torch.Generator().manual_seed(0), dtype=F64)
    generator = torch.Generator().manual_seed(1)
    draws = [torch.randn(4, 2, generator=generator, dtype=F64) for _ in range(4)]
    found = GgdmSampler(SCHEDULE, GRID, coefficients).sample(
        gaussian(), noise, steps=5, generator=torch.Generator().manual_seed(1)
    )
    wanted = ggdm_sample(gaussian(), noise, draws, SCHEDULE, coefficients)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-13)
    with pytest.raises(ValueError, match="for 5 steps, not 4"):
        GgdmSampler(SCHEDULE, GRID, coefficients).sample(gaussian(), noise, steps=4)


@pytest.mark.parametrize("schedule", [SCHEDULE, LinearSchedule(num_timesteps=1000)])
def test_gradient_against_finite_differences(schedule: CosineSchedule | LinearSchedule) -> None:
    """Through the predictions, the times that follow from the coefficients, and the noise."""
    model = GaussianDenoiser(schedule, torch.tensor(0.7, dtype=F64), torch.tensor(0.5, dtype=F64))
    start = ddim_coefficients(schedule, UniformTimeGrid(schedule).times(4)[:-1], eta=0.5)
    generator = torch.Generator().manual_seed(0)
    noise, *draws = torch.randn(4, 3, 1, generator=generator, dtype=F64)

    def loss(of_x: Tensor, of_z: Tensor, std: Tensor) -> Tensor:
        coefficients = GgdmCoefficients(of_x, of_z, std)
        return ggdm_sample(model, noise, draws, schedule, coefficients).square().sum()

    leaves = [v.clone().requires_grad_(True) for v in (start.of_x, start.of_z, start.std)]
    gradients = torch.autograd.grad(loss(*leaves), leaves)
    step = 1e-6
    for which, (leaf, gradient) in enumerate(zip(leaves, gradients, strict=True)):
        for place in range(leaf.numel()):
            ends = []
            for sign in (step, -step):
                moved = [v.detach().clone() for v in leaves]
                moved[which].view(-1)[place] += sign
                ends.append(loss(*moved).item())
            numeric = (ends[0] - ends[1]) / (2 * step)
            assert gradient.reshape(-1)[place].item() == pytest.approx(numeric, rel=1e-6, abs=1e-8)


def test_rematerialized_gradient_is_equal_bit_for_bit() -> None:
    torch.manual_seed(0)
    denoiser = Denoiser(MLP(DataSpec((2,))), SCHEDULE, VParameterization())
    for parameter in denoiser.parameters():
        nn.init.normal_(parameter, std=0.1)
    denoiser.requires_grad_(False)
    start = some_coefficients(6)
    noise, *draws = torch.randn(6, 16, 2, generator=torch.Generator().manual_seed(0))
    found = []
    for rematerialize in (False, True):
        leaves = [v.clone().requires_grad_(True) for v in (start.of_x, start.of_z, start.std)]
        x = ggdm_sample(
            bind(denoiser),
            noise,
            draws,
            SCHEDULE,
            GgdmCoefficients(*leaves),
            rematerialize=rematerialize,
        )
        found.append(torch.autograd.grad(x.square().sum(), leaves))
    for plain, again in zip(*found, strict=True):
        assert plain.abs().max() > 0
        assert torch.equal(plain, again)


def test_a_wrong_eta_is_refused() -> None:
    with pytest.raises(ValueError, match="eta must be in"):
        GgdmSampler(SCHEDULE, GRID, eta=1.5)
