"""Classifier-free guidance: its algebra in every representation, and its exact branches."""

import pytest
import torch

from genrl.diffusion.analytic import GaussianDenoiser, GaussianMixtureDenoiser
from genrl.diffusion.guidance import ClassifierFreeGuidance
from genrl.diffusion.schedules import NoiseSchedule, VdmLinearSchedule, schedules

F64 = torch.float64


def mixture(schedule: NoiseSchedule) -> GaussianMixtureDenoiser:
    means = torch.tensor([[0.9, 0.1], [-0.8, 0.3], [0.2, -0.7]], dtype=F64)
    stds = torch.tensor([0.3, 0.2, 0.4], dtype=F64)
    return GaussianMixtureDenoiser(schedule, means, stds, labels=torch.tensor([0, 1, 1]))


Z = torch.randn(6, 2, dtype=F64, generator=torch.Generator().manual_seed(0))
LABEL = torch.tensor([0, 1, 0, 1, 1, 0])
GUIDANCE = ClassifierFreeGuidance(2)


@pytest.mark.parametrize("name", schedules.names())
def test_branches_are_exact(name: str) -> None:
    """w = 0 is the conditional and w = -1 the unconditional model, example by example."""
    model = mixture(schedules.build(name))
    t = torch.linspace(0.05, 0.95, 6, dtype=F64)
    w = torch.tensor([0.0, 0.0, 0.0, -1.0, -1.0, -1.0], dtype=F64)
    guided = GUIDANCE(model, Z, t, LABEL, w)
    conditional, marginal = model(Z, t, LABEL), model(Z, t)
    for field in ("x", "eps"):
        value = getattr(guided, field)
        assert torch.equal(value[:3], getattr(conditional, field)[:3])
        assert torch.equal(value[3:], getattr(marginal, field)[3:])
    assert torch.equal(guided.level.log_snr, conditional.level.log_snr)
    assert torch.equal(guided.level.alpha, conditional.level.alpha)
    assert torch.equal(guided.level.sigma, conditional.level.sigma)


@pytest.mark.parametrize("log_snr", [-18.0, 0.0, 18.0])
def test_combining_x_eps_or_v_is_the_same(log_snr: float) -> None:
    schedule = VdmLinearSchedule(log_snr_min=-20, log_snr_max=20)
    model = mixture(schedule)
    t = schedule.time(torch.full((6,), log_snr, dtype=F64))
    w = torch.linspace(0, 8, 6, dtype=F64)
    guided = GUIDANCE(model, Z, t, LABEL, w)
    c, u, weight = model(Z, t, LABEL), model(Z, t), w[:, None]
    for value, first, second in (
        (guided.x, c.x, u.x),
        (guided.eps, c.eps, u.eps),
        (guided.v, c.v, u.v),
        (guided.score, c.score, u.score),
    ):
        torch.testing.assert_close(value, first + weight * (first - second), rtol=1e-11, atol=1e-11)
    rebuilt = guided.level.alpha * guided.x + guided.level.sigma * guided.eps
    torch.testing.assert_close(rebuilt, Z, rtol=0, atol=1e-12)


def test_images_and_one_batched_pass() -> None:
    schedule = schedules.build("cosine")
    mean, std = torch.zeros(3, 4, 4, dtype=F64), torch.ones(1, dtype=F64)
    model = GaussianDenoiser(
        schedule,
        mean,
        std,
        class_means=mean + 0.5 * torch.ones(2, 1, 1, 1),
        class_stds=std[None].expand(2, 1),
    )
    calls = []

    def counted(*arguments: torch.Tensor | None) -> object:
        calls.append(len(arguments[0]))
        return model(*arguments)

    z = torch.randn(6, 3, 4, 4, dtype=F64, generator=torch.Generator().manual_seed(1))
    t, w = torch.full((6,), 0.5, dtype=F64), torch.arange(6, dtype=F64)
    guided = GUIDANCE(counted, z, t, LABEL, w)
    assert calls == [12]
    expected = torch.stack(
        [
            (1 + w[i]) * model(z[i : i + 1], t[:1], LABEL[i : i + 1]).x[0]
            - w[i] * model(z[i : i + 1], t[:1]).x[0]
            for i in range(6)
        ]
    )
    torch.testing.assert_close(guided.x, expected, rtol=1e-12, atol=1e-13)
