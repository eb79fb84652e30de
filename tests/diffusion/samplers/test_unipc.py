"""UniPC: the corrector against the paper's equations, and what its parts are."""

import pytest
import torch

from genrl.diffusion.analytic import GaussianMixtureDenoiser
from genrl.diffusion.samplers import DPMSolverPP2MSampler, UniPCSampler, samplers
from genrl.diffusion.schedules import CosineSchedule, NoiseSchedule, schedules
from genrl.diffusion.time_grids import KarrasTimeGrid, LogSnrTimeGrid, UniformTimeGrid
from genrl.registry import ConfigurationError

F64 = torch.float64
NOISE = torch.randn(4, 2, dtype=F64, generator=torch.Generator().manual_seed(0))


def mixture(schedule: NoiseSchedule) -> GaussianMixtureDenoiser:
    means = torch.tensor([[0.9, 0.1], [-0.8, 0.3]], dtype=F64)
    return GaussianMixtureDenoiser(schedule, means, torch.tensor([0.3, 0.2], dtype=F64))


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("variant", ["exact", "bh1", "bh2"])
@pytest.mark.parametrize("name", schedules.names())
def test_against_the_paper_by_hand(name: str, variant: str, order: int) -> None:
    """Section 3: the residuals ρ solve a Vandermonde system in the ratios of half log-SNR steps."""
    schedule = schedules.build(name)
    model, grid = mixture(schedule), KarrasTimeGrid(schedule, sigma_min=0.02, sigma_max=20)
    times = grid.times(9)
    level = schedule.level(times)
    half = level.log_snr / 2

    def update(z: torch.Tensor, i: int, seen: list[int], p: int) -> torch.Tensor:
        """From t_i to t_{i+1} with the differences of x at ``seen`` to that at t_i."""
        h = half[i + 1] - half[i]
        ratios = torch.stack([(half[k] - half[i]) / h for k in seen]) if seen else None
        out = level.sigma[i + 1] / level.sigma[i] * z - level.alpha[i + 1] * torch.expm1(-h) * x[i]
        if ratios is None:
            return out
        scale = -h if variant == "bh1" else torch.expm1(-h)
        if p == 1 and variant != "exact":
            rho = torch.tensor([0.5], dtype=F64)
        else:
            phi, b = torch.expm1(-h) / -h - 1, []
            for k in range(1, len(seen) + 1):
                b.append(phi * float(torch.arange(1, k + 1).prod()) / scale)
                phi = phi / -h - 1 / float(torch.arange(1, k + 2).prod())
            powers = torch.stack([ratios**k for k in range(len(seen))])
            rho = torch.linalg.solve(powers, torch.stack(b))
        pairs = zip(rho, ratios, seen, strict=True)
        change = sum(w * (x[k] - x[i]) / ratio for w, ratio, k in pairs)
        return out - level.alpha[i + 1] * scale * change

    x: dict[int, torch.Tensor] = {}
    z = before = NOISE * level.sigma[0]
    for i in range(9):
        x[i] = model(z, times[i].expand(4)).x
        if i == 8:
            break
        if i > 0:
            older = list(range(i - 2, max(i - 1 - order, -1), -1))
            z = update(before, i - 1, [*older, i], 1 + len(older))
        before = z
        older = list(range(i - 1, max(i - order, -1), -1))
        z = update(z, i, older, len(older))
    found = UniPCSampler(schedule, grid, order=order, variant=variant)
    torch.testing.assert_close(found.sample(model, NOISE, steps=9), x[8], rtol=1e-9, atol=1e-10)


def test_the_second_order_predictor_is_dpm_solver() -> None:
    schedule = CosineSchedule()
    grid = UniformTimeGrid(schedule)
    unipc = UniPCSampler(schedule, grid, order=2, use_corrector=False)
    solver = DPMSolverPP2MSampler(schedule, grid)
    torch.testing.assert_close(
        unipc.sample(mixture(schedule), NOISE, steps=14),
        solver.sample(mixture(schedule), NOISE, steps=14),
        rtol=1e-12,
        atol=1e-13,
    )


def test_the_corrector_adds_an_order_and_no_evaluation() -> None:
    schedule = CosineSchedule()
    grid = LogSnrTimeGrid(schedule)
    plain, corrected = (
        UniPCSampler(schedule, grid, order=2, use_corrector=use) for use in (False, True)
    )
    assert (plain.order, corrected.order) == (2, 3)
    assert plain.evaluations(10) == corrected.evaluations(10) == 10


def test_an_unknown_variant_is_refused() -> None:
    schedule = CosineSchedule()
    config = {"name": "unipc", "variant": "bh3"}
    with pytest.raises(ConfigurationError, match="variant"):
        samplers.build(config, schedule, UniformTimeGrid(schedule))
    with pytest.raises(ValueError, match="variant must be exact, bh1 or bh2, not 'bh3'"):
        UniPCSampler(schedule, UniformTimeGrid(schedule), variant="bh3")  # type: ignore[arg-type]
