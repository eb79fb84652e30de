"""The exact denoisers against brute-force integration, an ODE solver and each other."""

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import torch
from torch import Tensor

from genrl.diffusion import (
    CosineSchedule,
    EdmSchedule,
    FlowSchedule,
    GaussianDenoiser,
    GaussianMixtureDenoiser,
    NoiseSchedule,
    VdmLinearSchedule,
)
from genrl.diffusion.weightings import VlbWeighting

SCHEDULES: dict[str, NoiseSchedule] = {
    "cosine": CosineSchedule(),
    "edm": EdmSchedule(sigma_min=4.5e-5, sigma_max=2.3e4),
    "flow": FlowSchedule(),
}
MEANS, STDS = [-1.1, 0.2, 0.9], [0.15, 0.4, 0.05]
WEIGHTS, LABELS = [0.5, 0.3, 0.2], [0, 1, 0]


def double(values: object) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float64)


@pytest.fixture(params=SCHEDULES, name="schedule")
def _schedule(request: pytest.FixtureRequest) -> NoiseSchedule:
    return SCHEDULES[request.param]


def line_mixture(schedule: NoiseSchedule) -> GaussianMixtureDenoiser:
    """Three components and two classes on the line; the examples have shape (1,)."""
    return GaussianMixtureDenoiser(
        schedule, double(MEANS)[:, None], double(STDS), double(WEIGHTS), torch.tensor(LABELS)
    )


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def integrated(
    z: float, alpha: float, sigma: float, components: list[int]
) -> tuple[float, float, float]:
    """E[x | z], E[ε | z] and log p(z) of the line mixture by the trapezoidal rule over x."""
    means, stds, weights = (np.array(v)[components] for v in (MEANS, STDS, WEIGHTS))
    weights = weights / weights.sum()
    low = max((means - 12 * stds).min(), (z - 12 * sigma) / alpha)
    high = min((means + 12 * stds).max(), (z + 12 * sigma) / alpha)
    x = np.linspace(low, high, 20_001)
    prior = (weights * scipy.stats.norm.pdf(x[:, None], means, stds)).sum(axis=1)
    log_likelihood = scipy.stats.norm.logpdf(z, alpha * x, sigma)
    top = log_likelihood.max()
    joint = prior * np.exp(log_likelihood - top)
    total = scipy.integrate.trapezoid(joint, x)
    mean_x = scipy.integrate.trapezoid(joint * x, x) / total
    mean_eps = scipy.integrate.trapezoid(joint * (z - alpha * x) / sigma, x) / total
    return float(mean_x), float(mean_eps), float(np.log(total) + top)


@pytest.mark.parametrize(
    ("label", "components"), [(None, [0, 1, 2]), (0, [0, 2]), (1, [1]), (2, [0, 1, 2])]
)
def test_mixture_is_the_integral_over_x(
    schedule: NoiseSchedule, label: int | None, components: list[int]
) -> None:
    denoiser = line_mixture(schedule)
    log_snr = torch.linspace(-20, 20, 21, dtype=torch.float64)
    times = schedule.time(log_snr)
    labels = None if label is None else torch.full((21,), label)
    x = denoiser.sample(21, seeded(), labels)
    z = schedule.perturb(x, times, torch.randn(21, 1, generator=seeded(1), dtype=torch.float64))
    prediction = denoiser(z, times, labels)
    density = denoiser.log_prob(z, times, labels)
    level = schedule.level(times)
    for i in range(21):
        alpha, sigma = level.alpha[i].item(), level.sigma[i].item()
        expected = integrated(z[i].item(), alpha, sigma, components)
        assert prediction.x[i].item() == pytest.approx(expected[0], abs=1e-9)
        assert prediction.eps[i].item() == pytest.approx(expected[1], abs=1e-9)
        assert density[i].item() == pytest.approx(expected[2], abs=1e-8)


def test_one_component_is_a_gaussian(schedule: NoiseSchedule) -> None:
    mean = torch.randn(2, 3, generator=seeded(), dtype=torch.float64)
    std = double(0.4)
    gaussian = GaussianDenoiser(schedule, mean, std)
    mixture = GaussianMixtureDenoiser(schedule, mean[None], std)
    times = torch.linspace(0, 1, 9, dtype=torch.float64)
    noise = torch.randn(9, 2, 3, generator=seeded(1), dtype=torch.float64)
    z = schedule.perturb(gaussian.sample(9, seeded(2)), times, noise)
    first, second = gaussian(z, times), mixture(z, times)
    torch.testing.assert_close(first.x, second.x, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(first.eps, second.eps, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        gaussian.log_prob(z, times), mixture.log_prob(z, times), rtol=1e-12, atol=1e-11
    )


def test_predictions_are_consistent_with_z(schedule: NoiseSchedule) -> None:
    times = torch.linspace(0, 1, 33, dtype=torch.float64)
    z = schedule.perturb(
        torch.randn(33, 1, generator=seeded(), dtype=torch.float64),
        times,
        torch.randn(33, 1, generator=seeded(1), dtype=torch.float64),
    )
    for denoiser in (line_mixture(schedule), GaussianDenoiser(schedule, double(0.3), double(0.7))):
        prediction = denoiser(z, times)
        level = prediction.level
        rebuilt = level.alpha * prediction.x + level.sigma * prediction.eps
        torch.testing.assert_close(rebuilt, z, rtol=1e-12, atol=1e-12)


def test_the_score_is_the_gradient_of_the_log_density(schedule: NoiseSchedule) -> None:
    times = schedule.time(torch.linspace(-15, 15, 11, dtype=torch.float64))
    labels = torch.arange(11) % 3
    classes = GaussianDenoiser(
        schedule, double(0.1), double(1.1), double([1.0, -0.5]), double([0.3, 0.2])
    )
    for denoiser in (line_mixture(schedule), classes):
        x = denoiser.sample(11, seeded(), labels).reshape(11, 1)
        noise = torch.randn(11, 1, generator=seeded(1), dtype=torch.float64)
        z = schedule.perturb(x, times, noise).requires_grad_()
        (score,) = torch.autograd.grad(denoiser.log_prob(z, times, labels).sum(), z)
        torch.testing.assert_close(denoiser(z, times, labels).score, score, rtol=1e-9, atol=1e-9)


def test_each_class_is_its_own_gaussian_and_the_null_class_the_marginal() -> None:
    schedule = CosineSchedule()
    generator = seeded()
    means = torch.randn(3, 2, 2, generator=generator, dtype=torch.float64)
    stds = double([0.2, 0.5, 1.5])[:, None, None]
    classes = GaussianDenoiser(schedule, double(0.25), double(1.1), means, stds)
    assert classes.num_classes == 3
    z = torch.randn(5, 2, 2, generator=generator, dtype=torch.float64)
    times = torch.linspace(0.1, 0.9, 5, dtype=torch.float64)
    labels = torch.tensor([2, 0, 3, 1, 3])
    prediction, density = classes(z, times, labels), classes.log_prob(z, times, labels)
    moved = classes.flow(z, times, times / 2, labels)
    marginal = GaussianDenoiser(schedule, double(0.25), double(1.1))
    for i, label in enumerate(labels.tolist()):
        alone = marginal if label == 3 else GaussianDenoiser(schedule, means[label], stds[label])
        row, time = z[i : i + 1], times[i : i + 1]
        torch.testing.assert_close(prediction.x[i : i + 1], alone(row, time).x)
        torch.testing.assert_close(density[i : i + 1], alone.log_prob(row, time))
        torch.testing.assert_close(moved[i : i + 1], alone.flow(row, time, time / 2))
    assert torch.equal(classes(z, times).x, classes(z, times, torch.full((5,), 3)).x)


def test_a_class_is_the_mixture_of_its_components() -> None:
    schedule = FlowSchedule()
    means = torch.randn(5, 3, generator=seeded(), dtype=torch.float64)
    stds, weights = double([0.1, 0.2, 0.3, 0.4, 0.5]), double([5.0, 1.0, 2.0, 3.0, 4.0])
    labels = torch.tensor([1, 0, 1, 0, 2])
    whole = GaussianMixtureDenoiser(schedule, means, stds, weights, labels)
    z = torch.randn(4, 3, generator=seeded(1), dtype=torch.float64)
    times = torch.linspace(0.1, 0.9, 4, dtype=torch.float64)
    for label in range(3):
        own = labels == label
        part = GaussianMixtureDenoiser(schedule, means[own], stds[own], weights[own])
        chosen = torch.full((4,), label)
        torch.testing.assert_close(whole(z, times, chosen).x, part(z, times).x)
        torch.testing.assert_close(whole.log_prob(z, times, chosen), part.log_prob(z, times))


@pytest.mark.parametrize("backward", [True, False])
def test_flow_solves_the_probability_flow_ode(schedule: NoiseSchedule, backward: bool) -> None:
    """dz/dt = α' x̂ + σ' ε̂, the drift less half the squared diffusion times the score."""
    denoiser = GaussianDenoiser(schedule, double([0.7, -0.2]), double([0.5, 0.03]))
    start, end = schedule.time(double([-6.0, 5.0] if backward else [5.0, -6.0])).tolist()

    def slope(time: float, z: np.ndarray) -> np.ndarray:
        t = double([time])
        rate = schedule.log_snr_derivative(t)
        log_snr = schedule.log_snr(t)
        family = (schedule.log_alpha, schedule.log_sigma)
        one = torch.ones_like(log_snr)
        per_log_snr = [torch.func.jvp(f, (log_snr,), (one,)) for f in family]
        alpha_slope, sigma_slope = (value.exp() * d * rate for value, d in per_log_snr)
        prediction = denoiser(torch.from_numpy(z)[None], t)
        return (alpha_slope * prediction.x + sigma_slope * prediction.eps)[0].numpy()

    z = schedule.perturb(double([[0.4, -0.25]]), double([start]), double([[0.8, -1.3]]))
    solution = scipy.integrate.solve_ivp(
        slope, (start, end), z[0].numpy(), method="DOP853", rtol=1e-11, atol=1e-12
    )
    result = denoiser.flow(z, double([start]), double([end]))
    np.testing.assert_allclose(result[0].numpy(), solution.y[:, -1], rtol=1e-8, atol=1e-9)


def test_flow_composes_and_inverts(schedule: NoiseSchedule) -> None:
    denoiser = GaussianDenoiser(schedule, double(0.7), double(0.5))
    z = torch.randn(6, 2, generator=seeded(), dtype=torch.float64)
    t, m, s = (torch.full((6,), v, dtype=torch.float64) for v in (0.9, 0.6, 0.05))
    direct = denoiser.flow(z, t, s)
    torch.testing.assert_close(denoiser.flow(denoiser.flow(z, t, m), m, s), direct)
    torch.testing.assert_close(denoiser.flow(direct, s, t), z)


def test_flow_keeps_probability(schedule: NoiseSchedule) -> None:
    """log p_s(z_s) + log |dz_s/dz_t| = log p_t(z_t)."""
    std = double([0.5, 0.1])
    denoiser = GaussianDenoiser(schedule, double([0.7, 0.0]), std)
    t, s = double([0.8]), double([0.3])
    z = schedule.perturb(double([[0.2, 0.1]]), t, double([[1.0, -0.4]]))
    jacobian = torch.func.jacrev(lambda v: denoiser.flow(v, t, s))(z).reshape(2, 2)
    expected = denoiser.log_prob(z, t) - jacobian.det().abs().log()
    torch.testing.assert_close(denoiser.log_prob(denoiser.flow(z, t, s), s), expected)


def test_samples_have_the_moments_of_the_data() -> None:
    num = 40_000
    gaussian = GaussianDenoiser(
        CosineSchedule(), double([0.0, 0.0]), double(1.1), double([[1.0, -2.0]]), double([0.3])
    )
    for label, mean, std in ((None, [0.0, 0.0], 1.1), (torch.zeros(num).long(), [1, -2], 0.3)):
        x = gaussian.sample(num, seeded(), label)
        error = 4 * std / math.sqrt(num)
        torch.testing.assert_close(x.mean(dim=0), double(mean), rtol=0, atol=error)
        torch.testing.assert_close(x.std(dim=0), double([std, std]), rtol=0, atol=error)


def test_mixture_samples_follow_the_density() -> None:
    """Kolmogorov-Smirnov against the exact distribution function, for each class."""
    mixture = line_mixture(CosineSchedule())
    for label, components in ((None, [0, 1, 2]), (0, [0, 2]), (1, [1]), (2, [0, 1, 2])):
        labels = None if label is None else torch.full((5000,), label)
        x = mixture.sample(5000, seeded(3), labels)[:, 0].numpy()
        means, stds, weights = (np.array(v)[components] for v in (MEANS, STDS, WEIGHTS))
        cdf = lambda v, m=means, s=stds, w=weights: (  # noqa: E731
            w / w.sum() * scipy.stats.norm.cdf(np.asarray(v)[:, None], m, s)
        ).sum(axis=1)
        assert scipy.stats.kstest(x, cdf).pvalue > 0.01


def test_sampling_takes_its_randomness_from_the_generator() -> None:
    mixture = line_mixture(CosineSchedule())
    state = torch.get_rng_state()
    assert torch.equal(mixture.sample(9, seeded(5)), mixture.sample(9, seeded(5)))
    assert torch.equal(torch.get_rng_state(), state)


def test_both_ends_in_float32(schedule: NoiseSchedule) -> None:
    """At λ = ±20 the float32 answers are the float64 ones, to the rounding of z seen through σ."""
    times = torch.tensor([0.0, 0.0, 1.0, 1.0])
    x = torch.tensor([[-1.1], [0.9], [-1.0], [0.85]])
    noise = torch.tensor([[0.3], [-1.0], [1.5], [-0.2]])
    z = schedule.perturb(x, times, noise)
    for denoiser in (line_mixture(schedule), GaussianDenoiser(schedule, double(0.1), double(0.8))):
        low, high = denoiser(z, times), denoiser(z.double(), times.double())
        assert low.x.dtype == torch.float32
        torch.testing.assert_close(low.x.double(), high.x, rtol=2e-6, atol=1e-6)
        # ε is (z - α x) / σ with σ = 4.5e-5: rounding α at 6e-8 costs a few 1e-3.
        torch.testing.assert_close(low.eps.double(), high.eps, rtol=1e-5, atol=5e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_almost_infinite_sigma(dtype: torch.dtype) -> None:
    """x becomes the mean of the data and ε becomes z / σ, without overflow."""
    schedule = EdmSchedule(sigma_min=1e-30, sigma_max=1e30)
    times = torch.tensor([1.0, 1.0, 0.0], dtype=dtype)
    z = torch.tensor([[1.5e30], [-1e29], [0.25]], dtype=dtype)
    mean = sum(w * m for w, m in zip(WEIGHTS, MEANS, strict=True))
    gaussian = GaussianDenoiser(schedule, double(0.3), double(0.7))
    for denoiser, expected in ((line_mixture(schedule), mean), (gaussian, 0.3)):
        prediction = denoiser(z, times)
        assert prediction.x[:, 0].tolist() == pytest.approx([expected, expected, 0.25], rel=1e-5)
        assert prediction.eps[:2, 0].tolist() == pytest.approx([1.5, -0.1], rel=1e-5)
        assert denoiser.log_prob(z, times).isfinite().all()


def test_point_masses_pick_the_nearest_at_the_clean_end(schedule: NoiseSchedule) -> None:
    points = torch.randn(6, 4, generator=seeded(), dtype=torch.float64)
    denoiser = GaussianMixtureDenoiser(schedule, points, double(0.0))
    times = torch.zeros(6, dtype=torch.float64)
    noise = torch.randn(6, 4, generator=seeded(1), dtype=torch.float64)
    prediction = denoiser(schedule.perturb(points, times, noise), times)
    torch.testing.assert_close(prediction.x, points, rtol=0, atol=1e-14)
    torch.testing.assert_close(prediction.eps, noise, rtol=0, atol=1e-10)


def implicit_classifier(
    denoiser: GaussianDenoiser | GaussianMixtureDenoiser, x: float, label: int, panels: int
) -> float:
    """½ ∫ E[||ε - ε_u||² - ||ε - ε_c||²] dγ over the schedule, by quadrature over t and ε.

    It is written in x with the weighting ``vlb``: ½ dγ ||ε - ε̂||² = -½ SNR'(t) dt ||x - x̂||².
    """
    nodes = np.linspace(-9, 9, 361)
    eps = double(nodes)[:, None]
    share = double(scipy.stats.norm.pdf(nodes) * (nodes[1] - nodes[0]))
    legendre, legendre_weights = np.polynomial.legendre.leggauss(8)
    edges = np.linspace(0, 1, panels + 1)
    times = (edges[:-1, None] + (legendre + 1) / 2 / panels).ravel()
    time_weights = np.tile(legendre_weights / 2 / panels, panels)
    data = torch.full_like(eps, x)
    labels = torch.full((len(eps),), label)
    total = 0.0
    for time, weight in zip(times, time_weights, strict=True):
        t = torch.full((len(eps),), time, dtype=torch.float64)
        z = denoiser.schedule.perturb(data, t, eps)
        free = (denoiser(z, t).x - data).square()
        bound = (denoiser(z, t, labels).x - data).square()
        factor = VlbWeighting(denoiser.schedule)(t[:1]).item()
        total += weight * factor * ((free - bound)[:, 0] * share).sum().item()
    return total


@pytest.mark.parametrize("label", [0, 1])
def test_implicit_classifier_of_gaussians(label: int) -> None:
    """Ho & Salimans 2022: guidance follows log p(x | c) - log p(x), the integral of the errors."""
    schedule = VdmLinearSchedule(log_snr_min=-22.0, log_snr_max=22.0)
    means, stds = [1.0, -0.4], [0.3, 0.8]
    denoiser = GaussianDenoiser(schedule, double(0.0), double(1.1), double(means), double(stds))
    for x in (-0.6, 0.9):
        expected = scipy.stats.norm.logpdf(x, means[label], stds[label])
        expected -= scipy.stats.norm.logpdf(x, 0.0, 1.1)
        result = implicit_classifier(denoiser, x, label, panels=30)
        assert result == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("label", [0, 1])
def test_implicit_classifier_of_a_mixture(label: int) -> None:
    denoiser = line_mixture(VdmLinearSchedule(log_snr_min=-22.0, log_snr_max=22.0))
    components = {0: [0, 2], 1: [1]}[label]

    def log_density(x: float, chosen: list[int]) -> float:
        means, stds, weights = (np.array(v)[chosen] for v in (MEANS, STDS, WEIGHTS))
        density = weights / weights.sum() * scipy.stats.norm.pdf(x, means, stds)
        return float(np.log(density.sum()))

    x = -0.75
    expected = log_density(x, components) - log_density(x, [0, 1, 2])
    assert implicit_classifier(denoiser, x, label, panels=30) == pytest.approx(expected, abs=1e-6)


def test_mistakes_are_named() -> None:
    schedule, one = CosineSchedule(), torch.ones(())
    with pytest.raises(ValueError, match="given together"):
        GaussianDenoiser(schedule, one, one, class_means=torch.zeros(2))
    with pytest.raises(ValueError, match="2 class_means but 3 class_stds"):
        GaussianDenoiser(schedule, one, one, torch.zeros(2), torch.ones(3))
    with pytest.raises(ValueError, match="must not be negative"):
        GaussianDenoiser(schedule, one, -one)
    means = torch.zeros(3, 2)
    with pytest.raises(ValueError, match="must not be negative"):
        GaussianMixtureDenoiser(schedule, means, -one)
    with pytest.raises(ValueError, match="weights must be positive"):
        GaussianMixtureDenoiser(schedule, means, one, torch.tensor([1.0, 0.0, 1.0]))
    with pytest.raises(ValueError, match="3 means but 2 weights"):
        GaussianMixtureDenoiser(schedule, means, one, torch.ones(2))
    with pytest.raises(ValueError, match="3 means but 4 labels"):
        GaussianMixtureDenoiser(schedule, means, one, labels=torch.zeros(4).long())
    with pytest.raises(ValueError, match="class 1 has no component"):
        GaussianMixtureDenoiser(schedule, means, one, labels=torch.tensor([0, 2, 2]))
