"""Our samplers against diffusers' schedulers on identical grids, evaluation by evaluation.

Theirs go down a grid of σ/α in float32; ours gets the times of the same levels. What the model is
asked at every evaluation, and the result, agree to 1e-5 wherever theirs do what the papers say.
"""

import warnings
from typing import Any

import pytest
import torch

from genrl.diffusion.analytic import GaussianMixtureDenoiser
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers import Sampler, SamplingState, samplers
from genrl.diffusion.samplers.multistep import MultistepSampler
from genrl.diffusion.schedules import CosineSchedule, NoiseSchedule
from genrl.diffusion.schedules.clock import Clock
from genrl.diffusion.time_grids import TimeGrid

diffusers = pytest.importorskip("diffusers")

F64 = torch.float64
NOISE = torch.randn(4, 2, dtype=F64, generator=torch.Generator().manual_seed(0))
KARRAS = {"use_karras_sigmas": True}
ON_SIGMA = ("LMSDiscreteScheduler", "EulerDiscreteScheduler")


def mixture(schedule: NoiseSchedule) -> GaussianMixtureDenoiser:
    means = torch.tensor([[0.9, 0.1], [-0.8, 0.3]], dtype=F64)
    return GaussianMixtureDenoiser(schedule, means, torch.tensor([0.3, 0.2], dtype=F64))


class GivenTimeGrid(TimeGrid):
    """A grid of given noise levels σ/α, then the data."""

    def __init__(self, schedule: NoiseSchedule, noise: torch.Tensor) -> None:
        super().__init__(schedule)
        self.noise = noise

    def times(self, steps: int) -> torch.Tensor:
        assert steps == len(self.noise)
        return torch.cat([self.schedule.time(-2 * self.noise.log()), torch.zeros(1, dtype=F64)])


class Peer:
    """A run of one of diffusers' schedulers with our model."""

    def __init__(self, name: str, steps: int, **options: Any) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scheduler = getattr(diffusers, name)(**options)
            scheduler.set_timesteps(steps)
        if name == "DDIMScheduler":
            kept = scheduler.alphas_cumprod[scheduler.timesteps].double()
            noise = (1 / kept - 1).sqrt()
        else:
            noise = scheduler.sigmas[:steps].double()
        self.schedule = CosineSchedule()
        self.grid = GivenTimeGrid(self.schedule, noise)
        model = mixture(self.schedule)
        level = self.schedule.level(self.grid.times(steps))
        generator = torch.Generator().manual_seed(1)
        self.noises = torch.randn(steps, 4, 2, dtype=F64, generator=generator)
        sample = NOISE * level.sigma[0]
        if name in ON_SIGMA:
            sample = sample / level.alpha[0]
        self.z: list[torch.Tensor] = []
        self.predictions: list[Prediction] = []
        for i, t in enumerate(scheduler.timesteps):
            z = sample * level.alpha[i] if name in ON_SIGMA else sample
            if name in ON_SIGMA:
                scheduler.scale_model_input(sample, t)
            prediction = model(z, self.grid.times(steps)[i].expand(4))
            self.z.append(z)
            self.predictions.append(prediction)
            extra = (
                {"variance_noise": self.noises[i]}
                if options.get("algorithm_type", "").startswith("sde")
                else {}
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                sample = scheduler.step(prediction.eps, t, sample, **extra).prev_sample.double()
        self.steps, self.x = steps, sample

    def sampler(self, config: dict[str, Any] | str) -> Sampler:
        return samplers.build(config, self.schedule, self.grid)


def assert_same(peer: Peer, config: dict[str, Any] | str, *, has_other_end: bool = False) -> None:
    """Theirs does not always end with the last x: DEIS extrapolates, UniPC's bh1 divides by 0."""
    found = peer.sampler(config).trajectory(mixture(peer.schedule), NOISE, steps=peer.steps)
    for ours, theirs in zip(found.z, peer.z, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
    if not has_other_end:
        torch.testing.assert_close(found.x, peer.x, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("config", "name", "options"),
    [
        ("ddim", "DDIMScheduler", {"clip_sample": False}),
        ("euler", "EulerDiscreteScheduler", KARRAS),
        ("dpm_solver_pp_2m", "DPMSolverMultistepScheduler", KARRAS),
        ({"name": "deis", "order": 2}, "DEISMultistepScheduler", KARRAS),
        ({"name": "unipc", "order": 1, "variant": "bh1"}, "UniPCMultistepScheduler", KARRAS),
        ({"name": "unipc", "order": 1}, "UniPCMultistepScheduler", KARRAS),
        ({"name": "unipc", "order": 2, "variant": "bh1"}, "UniPCMultistepScheduler", KARRAS),
        ({"name": "unipc", "order": 2}, "UniPCMultistepScheduler", KARRAS),
    ],
)
@pytest.mark.parametrize("steps", [16, 40])
def test_every_evaluation(
    config: dict[str, Any] | str, name: str, options: dict[str, Any], steps: int
) -> None:
    if not isinstance(config, str):
        options = {**options, "solver_order": config["order"]}
        if config["name"] == "unipc":
            options["solver_type"] = config.get("variant", "bh2")
    has_other_end = name.startswith("DEIS") or options.get("solver_type") == "bh1"
    assert_same(Peer(name, steps, **options), config, has_other_end=has_other_end)


def test_default_grids_too() -> None:
    """Not only Karras: the table's own levels, at equal distances in their time."""
    assert_same(Peer("DPMSolverMultistepScheduler", 20), "dpm_solver_pp_2m")
    deis = Peer("DEISMultistepScheduler", 20, solver_order=2)
    assert_same(deis, {"name": "deis", "order": 2}, has_other_end=True)
    assert_same(Peer("UniPCMultistepScheduler", 20), "unipc")


def test_third_order_unipc() -> None:
    """Theirs lowers the order of the last two steps; before, every evaluation agrees."""
    peer = Peer("UniPCMultistepScheduler", 20, solver_order=3, **KARRAS)
    sampler = peer.sampler({"name": "unipc", "order": 3})
    found = sampler.trajectory(mixture(peer.schedule), NOISE, steps=20)
    for ours, theirs in zip(found.z[:19], peer.z[:19], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("config", "name", "options"),
    [
        ({"name": "deis", "order": 3}, "DEISMultistepScheduler", {"solver_order": 3}),
        ({"name": "lms", "order": 4}, "LMSDiscreteScheduler", {}),
    ],
)
def test_steps_of_high_order(config: dict[str, Any], name: str, options: dict[str, Any]) -> None:
    """Their start has order 1; every later step agrees when it is taken from where they were.

    Their coefficients of DEIS are differences of large numbers in float32, good to 1e-4.
    """
    peer, steps = Peer(name, 20, **options, **KARRAS), 20
    sampler = peer.sampler(config)
    assert isinstance(sampler, MultistepSampler)
    times = peer.grid.times(steps)
    state = SamplingState(
        mixture(peer.schedule), times, Clock(times, NOISE), sampler.plan(times), None
    )
    for index in range(sampler.order - 1, steps - 1):
        state.index, state.predictions = index, peer.predictions[:index]
        ours = sampler.step(peer.z[index], peer.predictions[index], state)
        tolerance = 1e-4 if config["name"] == "deis" else 1e-5
        torch.testing.assert_close(ours, peer.z[index + 1], rtol=0, atol=tolerance)


def test_stochastic_dpm_solver_with_the_same_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"algorithm_type": "sde-dpmsolver++", **KARRAS}
    peer = Peer("DPMSolverMultistepScheduler", 20, **options)
    noises = iter(peer.noises)
    monkeypatch.setattr(SamplingState, "noise_like", lambda *_: next(noises))
    assert_same(peer, "dpm_solver_pp_sde")


def test_their_third_order_takes_half_of_the_second_difference() -> None:
    """Their 3M, and ours with the curvature halved, agree: it is why theirs ends at order 2."""
    peer = Peer("DPMSolverMultistepScheduler", 20, solver_order=3, **KARRAS)
    sampler = peer.sampler("dpm_solver_pp_3m")
    parabola = peer.sampler({"name": "unipc", "order": 3, "use_corrector": False})
    times = peer.grid.times(20)
    half = peer.schedule.log_snr(times) / 2
    alpha = peer.schedule.level(times).alpha
    assert isinstance(sampler, MultistepSampler)
    for index in range(2, 18):
        x = [peer.predictions[index - k].x for k in range(3)]
        ours = sampler.plan(times)[index]
        assert ours.of_x == pytest.approx(parabola.plan(times)[index].predictor[1], rel=1e-9)
        step = ours.of_z * peer.z[index] + sum(w * v for w, v in zip(ours.of_x, x, strict=True))
        h, h_0, h_1 = (half[index + 1 - k] - half[index - k] for k in range(3))
        curvature = h**2 * ((x[0] - x[1]) / h_0 - (x[1] - x[2]) / h_1) / (h_0 + h_1)
        missing = alpha[index + 1] * ((torch.expm1(-h) + h) / h**2 - 0.5) * curvature
        torch.testing.assert_close(step + missing, peer.z[index + 1], rtol=0, atol=1e-5)
