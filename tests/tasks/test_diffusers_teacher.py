"""A folder of diffusers as a teacher: the numbers of their own classes, to the last digits."""

import functools
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    DDIMPipeline,
    DDIMScheduler,
    DDPMScheduler,
    EDMEulerScheduler,
    FlowMatchEulerDiscreteScheduler,
    UNet2DModel,
)

from genrl.config import compose
from genrl.diffusion import DDIMSampler, bind
from genrl.diffusion.time_grids import TimeGrid
from genrl.modules import DiffusionModule
from genrl.registry import ConfigurationError
from genrl.run_folder import RunFolder
from genrl.tasks.build import build_module, build_stages
from genrl.tasks.diffusers_teacher import load_diffusers_teacher
from genrl.tasks.sample import load_trained_stage
from genrl.tasks.teacher import load_teacher
from genrl.tasks.train import train
from genrl.typing import DataSpec

SPEC = DataSpec((1, 8, 8), 10)
UNET: dict[str, Any] = {
    "sample_size": 8,
    "in_channels": 1,
    "out_channels": 1,
    "block_out_channels": (8, 16),
    "layers_per_block": 1,
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
    "norm_num_groups": 4,
    "num_class_embeds": 11,
}
SHORT = ["+experiment=cfg_distill", "device=cpu", "distill=progressive", "distill.start=2"]


def folder(path: Path, scheduler: Any, **numbers: Any) -> Path:
    """A pipeline with weights that are not theirs at the start."""
    torch.manual_seed(0)
    unet = UNet2DModel(**{**UNET, **numbers})
    with torch.no_grad():
        for parameter in unet.parameters():
            parameter.copy_(0.15 * torch.randn(parameter.shape))
    DDIMPipeline(unet, scheduler).save_pretrained(path)
    # The pipeline makes a DDIM scheduler of any other; the folder shall hold the one it was given.
    scheduler.save_pretrained(path / "scheduler")
    return path


@functools.cache
def composed() -> dict[str, Any]:
    return compose(SHORT)


def module_of(path: Path) -> DiffusionModule:
    """The module as ``genrl train teacher=FOLDER`` begins with it."""
    teacher = load_teacher(path)
    config = teacher.adapt(composed())
    module = build_module(config, SPEC, build_stages(config, has_teacher=True))
    teacher.load_into(module)
    module.eval()
    return module


class Theirs(TimeGrid):
    """Their steps as times, and the end."""

    def __init__(self, steps: torch.Tensor, count: int) -> None:
        self.own = torch.cat([steps.double() / (count - 1), torch.zeros(1).double()])

    def times(self, steps: int) -> torch.Tensor:
        return self.own


def sigmoid_betas() -> list[float]:
    return DDPMScheduler(beta_schedule="sigmoid", num_train_timesteps=100).betas.tolist()


@pytest.fixture(scope="module", name="trained")
def _trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder(tmp_path_factory.mktemp("trained") / "pipeline", DDPMScheduler())


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize(
    "numbers",
    [
        {"beta_schedule": "linear", "beta_end": 0.15},
        {"beta_schedule": "scaled_linear", "beta_end": 0.12},
        {"beta_schedule": "squaredcos_cap_v2"},
        {"trained_betas": "sigmoid"},
        {"beta_schedule": "linear", "beta_end": 0.15, "rescale_betas_zero_snr": True},
    ],
    ids=["linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid_trained", "zero_snr"],
)
def test_ddim_samples_are_theirs(numbers: dict[str, Any], prediction: str, trained: Path) -> None:
    """Ten DDIM steps on their grid from the same noise."""
    if numbers.get("rescale_betas_zero_snr") and prediction == "epsilon":
        pytest.skip("there is no x in ε without signal, in their formulas or in ours")
    if "trained_betas" in numbers:
        numbers = {"trained_betas": sigmoid_betas()}
    scheduler = DDIMScheduler(
        num_train_timesteps=100,
        prediction_type=prediction,
        clip_sample=False,
        timestep_spacing="trailing",
        **numbers,
    )
    scheduler.save_pretrained(trained / "scheduler")
    unet = UNet2DModel.from_pretrained(trained / "unet", low_cpu_mem_usage=False)
    noise, label = torch.randn(6, 1, 8, 8), torch.tensor([0, 3, 9, 10, 5, 1])
    scheduler.set_timesteps(10)
    z = noise
    with torch.no_grad():
        for step in scheduler.timesteps:
            z = scheduler.step(unet(z, step, label).sample, step, z).prev_sample
    module = module_of(trained)
    schedule = module.denoiser.schedule
    grid = Theirs(scheduler.timesteps, 100)
    sampler = DDIMSampler(schedule, grid)
    first = schedule.level(grid.own[0]).sigma.item()
    x = sampler.sample(bind(module.denoiser, label), noise / first, steps=10)
    size = z.abs().max().item()
    torch.testing.assert_close(x / size, z / size, rtol=0, atol=1e-5)
    assert z.std() > 0.01


def test_predictions_at_every_step_and_any_w(tmp_path: Path) -> None:
    """x and ε as their formula says; w, which the network did not know, adds nothing at first."""
    scheduler = DDPMScheduler(num_train_timesteps=50, prediction_type="v_prediction")
    path = folder(tmp_path / "pipeline", scheduler)
    unet = UNet2DModel.from_pretrained(path / "unet", low_cpu_mem_usage=False)
    module = module_of(path)
    assert module.teacher is not None
    z, step = torch.randn(50, 1, 8, 8), torch.arange(50)
    label, w = step % 11, step / 10
    kept = scheduler.alphas_cumprod[:, None, None, None]
    with torch.no_grad():
        v = unet(z, step, label).sample
        student = module.denoiser(z, step / 49, label, w)
        teacher = module.teacher(z, step / 49, label)
    torch.testing.assert_close(
        student.x, kept.sqrt() * z - (1 - kept).sqrt() * v, rtol=1e-5, atol=1e-5
    )
    torch.testing.assert_close(
        student.eps, kept.sqrt() * v + (1 - kept).sqrt() * z, rtol=1e-5, atol=1e-5
    )
    assert torch.equal(student.x, teacher.x)
    null = module.denoiser(z, step / 49)
    torch.testing.assert_close(
        null.x, module.denoiser(z, step / 49, torch.full((50,), 10)).x, rtol=0, atol=0
    )


def test_the_ladder_starts_from_it(tmp_path: Path) -> None:
    """A whole run from the folder, which can be sampled without it."""
    scheduler = DDPMScheduler(num_train_timesteps=64, rescale_betas_zero_snr=True,
                              prediction_type="v_prediction")  # fmt: skip
    path = folder(tmp_path / "pipeline", scheduler)
    overrides = [
        *SHORT,
        f"teacher={path}",
        "distill.guided_updates=2",
        "distill.updates=2",
        "training.batch_size=8",
        "callback@evaluation=none",
    ]
    run = train(compose(overrides), tmp_path / "run")
    path.rename(tmp_path / "elsewhere")
    assert run.finished_stages() == ["guided", "2", "1"]
    trained = load_trained_stage(RunFolder.open(run.path), "1", "cpu")
    x = trained.drawer.draw(range(4), steps=1, w=2.0, seed=0)
    assert x.isfinite().all()
    other = trained.drawer.draw(range(4), steps=1, w=0.0, seed=0)
    assert not torch.equal(x, other)


def mended(path: Path, file: str, **changes: Any) -> None:
    config = json.loads((path / file).read_text())
    (path / file).write_text(json.dumps({**config, **changes}))


@pytest.fixture(name="good")
def _good(tmp_path: Path) -> Path:
    return folder(tmp_path / "pipeline", DDPMScheduler())


@pytest.mark.parametrize(
    ("file", "changes", "complaint"),
    [
        (
            "model_index.json",
            {"vae": ["diffusers", "AutoencoderKL"]},
            "scheduler, unet, vae; a",
        ),
        (
            "scheduler/scheduler_config.json",
            {"prediction_type": "flow"},
            "has no counterpart; s",
        ),
        ("scheduler/scheduler_config.json", {"beta_schedule": "odd"}, "odd is not implemented"),
        ("unet/config.json", {"_class_name": "UNet1DModel"}, "must be a UNet2DModel, not a UNet1D"),
        ("unet/config.json", {"class_embed_type": "timestep"}, "class_embed_type=timestep"),
        ("unet/config.json", {"time_embedding_type": "fourier"}, "time_embedding_type=fourier"),
        ("unet/config.json", {"out_channels": 2}, r"out_channels=2 \(learned variances\)"),
        ("unet/config.json", {"block_out_channels": [16, 16]}, "unet cannot be read"),
        ("unet/config.json", {"block_out_channels": [2**16, 2**16]}, "its weights are too few for"),
        ("unet/config.json", {"layers_per_block": 2**31}, "layers_per_block must be in 1 to 100"),
        ("scheduler/scheduler_config.json", {"num_train_timesteps": 2**63}, "must be in 1 to 100"),
        ("scheduler/scheduler_config.json", {"beta_start": "a"}, "scheduler cannot be read"),
        ("scheduler/scheduler_config.json", {"trained_betas": [[]]}, "is no list of numbers"),
        ("scheduler/scheduler_config.json", {"trained_betas": False}, "is no list of numbers"),
        ("scheduler/scheduler_config.json", {"prediction_type": ["v"]}, "has no counterpart"),
        ("model_index.json", {"unet": []}, "holds scheduler; a teacher needs"),
    ],
)
def test_what_has_no_exact_meaning_is_refused(
    good: Path, file: str, changes: dict[str, Any], complaint: str
) -> None:
    mended(good, file, **changes)
    with pytest.raises(ConfigurationError, match=complaint):
        load_diffusers_teacher(good)


def test_other_schedulers_are_refused_by_name(good: Path) -> None:
    for scheduler in (EDMEulerScheduler(), FlowMatchEulerDiscreteScheduler()):
        scheduler.save_pretrained(good / "scheduler")
        with pytest.raises(ConfigurationError, match=r"only those trained on a table of β: DDIM"):
            load_diffusers_teacher(good)


def test_pickles_and_missing_parts_are_refused(good: Path) -> None:
    weights = good / "unet" / "diffusion_pytorch_model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[: len(content) // 2])
    with pytest.raises(ConfigurationError, match="unet cannot be read"):
        load_diffusers_teacher(good)
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(ConfigurationError, match="is a pickle, and opening it could run code"):
        load_diffusers_teacher(good)
    weights.with_suffix(".bin").unlink()
    with pytest.raises(ConfigurationError, match="holds no weights"):
        load_diffusers_teacher(good)
    (good / "scheduler" / "scheduler_config.json").unlink()
    with pytest.raises(ConfigurationError, match="takes the whole folder of a pipeline"):
        load_diffusers_teacher(good)
    (good / "model_index.json").write_text("{")
    with pytest.raises(ConfigurationError, match="not readable JSON"):
        load_teacher(good)


@pytest.mark.parametrize(
    ("numbers", "complaint"),
    [
        ({"num_class_embeds": 10}, "num_class_embeds=10; data with 10 classes needs 11, the last"),
        ({"num_class_embeds": None}, "has no classes; data with 10 classes needs 11"),
        ({"sample_size": 16}, r"takes images of shape \(1, 16, 16\); this run's data has shape"),
    ],
)
def test_data_of_another_form_is_refused(
    numbers: dict[str, Any], complaint: str, tmp_path: Path
) -> None:
    path = folder(tmp_path / "pipeline", DDPMScheduler(), **numbers)
    with pytest.raises(ConfigurationError, match=complaint):
        module_of(path)
