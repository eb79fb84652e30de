"""A teacher from a folder of diffusers: a UNet2DModel and what its scheduler says of its training.

Read exactly: the table of noise levels (β schedule, zero terminal SNR) becomes the schedule
``table``, with entry i at t = i / (T - 1); the prediction type becomes the parameterization; the
network is asked at its own steps 0 ... T - 1. Only weights in safetensors are read, and no code.
"""

import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from genrl.foreign import require_own_files
from genrl.modules import DiffusionModule
from genrl.networks import DiffusersUNet
from genrl.registry import ConfigurationError
from genrl.tasks.build import Config

PARAMETERIZATIONS = {"epsilon": "eps", "v_prediction": "v", "sample": "x"}
SCHEDULERS = (
    "DDIMParallelScheduler",
    "DDIMScheduler",
    "DDPMParallelScheduler",
    "DDPMScheduler",
    "DEISMultistepScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "LCMScheduler",
    "LMSDiscreteScheduler",
    "PNDMScheduler",
    "UniPCMultistepScheduler",
)
"""Schedulers whose model was trained on a table of β, whatever they do in sampling."""
_MOST_STEPS = 100_000
_MOST_LAYERS = 100


@dataclass(frozen=True)
class DiffusersTeacher:
    """A UNet2DModel with its scheduler's config.

    Args:
        path: of the folder, with model_index.json.
        model: the network, in diffusers' own class.
        log_snrs: λ of its steps 0, 1, ...
        parameterization: what it predicts, by genrl's name.
    """

    path: Path
    model: Any
    log_snrs: list[float]
    parameterization: str

    def adapt(self, config: Config) -> Config:
        """The config with the model's network, schedule and parameterization, for students."""
        arguments = {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in self.model.config.items()
            if not key.startswith("_") and value is not None
        }
        network = {"name": "diffusers_unet", "log_snrs": self.log_snrs, "config": arguments}
        return {
            **config,
            "network": network,
            "schedule": {"name": "table", "log_snrs": self.log_snrs},
            "parameterization": {"name": self.parameterization},
            "teacher": str(self.path.resolve()),
        }

    def load_into(self, module: DiffusionModule) -> None:
        """Student and teacher take these weights; w, which the model does not know, adds nothing.

        Raises:
            ConfigurationError: if the data has another form than the model's.
        """
        network = module.denoiser.network
        assert isinstance(network, DiffusersUNet)
        self._check(network.spec.shape, network.spec.num_classes)
        state = self.model.state_dict()
        label = state.pop("class_embedding.weight", None)
        network.model.load_state_dict(state)
        if network.label is not None:
            with torch.no_grad():
                network.label.weight.copy_(label)
        if module.teacher is not None:
            module.teacher.load_state_dict(module.denoiser.state_dict())

    def _check(self, shape: tuple[int, ...], num_classes: int) -> None:
        config = self.model.config
        size = config.sample_size
        size = (size, size) if isinstance(size, int) else size
        if config.in_channels != shape[0] or (size is not None and tuple(size) != shape[1:]):
            own = (config.in_channels, *(size or ("any", "any")))
            raise ConfigurationError(
                f"the model of {self.path} takes images of shape {own}; "
                f"this run's data has shape {shape}"
            )
        rows = config.num_class_embeds or 0
        if rows != num_classes + bool(num_classes):
            have = f"num_class_embeds={rows}" if rows else "no classes"
            need = num_classes + bool(num_classes)
            wanted = f"{need}, the last one the null class of guidance" if need else "none"
            raise ConfigurationError(
                f"the model of {self.path} has {have}; "
                f"data with {num_classes} classes needs {wanted}"
            )


def is_diffusers_folder(path: Path) -> bool:
    """Whether the folder is a pipeline of diffusers, or a part of one."""
    return any((path / name).is_file() for name in ("model_index.json", "scheduler_config.json"))


def load_diffusers_teacher(path: Path) -> DiffusersTeacher:
    """Read a pipeline's folder: ``model_index.json``, ``unet/``, ``scheduler/``.

    Raises:
        ConfigurationError: if it holds what has no exact meaning here, or weights in a pickle;
            it names what is supported.
    """
    try:
        diffusers = importlib.import_module("diffusers")
    except ImportError as error:
        raise ConfigurationError(
            f"{path} needs the library diffusers: pip install 'genrl[diffusers]'"
        ) from error
    require_own_files(path)
    index = _json(path / "model_index.json")
    parts = {key for key, value in index.items() if isinstance(value, list) and any(value[:1])}
    if parts - {"unet", "scheduler"} or "unet" not in parts or "scheduler" not in parts:
        raise ConfigurationError(
            f"{path} holds {', '.join(sorted(parts)) or 'nothing'}; a teacher needs unet and "
            "scheduler alone: no latent space and no text"
        )
    scheduler = _scheduler(diffusers, path / "scheduler")
    prediction = scheduler.config.get("prediction_type", "epsilon")
    if str(prediction) not in PARAMETERIZATIONS:
        raise ConfigurationError(
            f"{path}: prediction_type '{prediction}' has no counterpart; "
            f"supported: {', '.join(PARAMETERIZATIONS)}"
        )
    kept = scheduler.alphas_cumprod.double()
    if kept.ndim != 1:
        raise ConfigurationError(f"{path}: trained_betas of its scheduler is no list of numbers")
    log_snrs = (kept.log() - torch.log1p(-kept)).tolist()
    return DiffusersTeacher(
        path, _unet(diffusers, path / "unet"), log_snrs, PARAMETERIZATIONS[prediction]
    )


def _scheduler(diffusers: Any, folder: Path) -> Any:
    config = _json(folder / "scheduler_config.json")
    name = config.get("_class_name")
    if name not in SCHEDULERS or config.get("timestep_type") == "continuous":
        raise ConfigurationError(
            f"{folder}: models of {name} are not supported, only those trained on a table of β: "
            f"{', '.join(SCHEDULERS)}"
        )
    _require_count(folder, config, "num_train_timesteps", _MOST_STEPS)
    try:
        return getattr(diffusers, name).from_config(config)
    except Exception as error:  # a wrong value is answered with a dozen types
        raise _unreadable(folder, error) from error


def _unet(diffusers: Any, folder: Path) -> Any:
    config = _json(folder / "config.json")
    name = config.get("_class_name")
    if name != "UNet2DModel":
        raise ConfigurationError(f"{folder}: a teacher must be a UNet2DModel, not a {name}")
    for key, wanted, meaning in (
        ("class_embed_type", (None,), "a class embedding that is not a table"),
        ("time_embedding_type", ("positional", "learned", None), "a time in other units"),
        ("out_channels", (config.get("in_channels", 3), None), "learned variances"),
    ):
        if config.get(key) not in wanted:
            raise ConfigurationError(f"{folder}: {key}={config[key]} ({meaning}) is not supported")
    weights = list(folder.glob("*.safetensors"))
    if not weights:
        pickles = sorted(file.name for file in folder.glob("*.bin"))
        raise ConfigurationError(
            f"{folder} is refused: {pickles[0]} is a pickle, and opening it could run code; "
            "save it again with safe_serialization=True"
            if pickles
            else f"{folder} holds no weights: diffusion_pytorch_model.safetensors is missing"
        )
    _require_count(folder, config, "layers_per_block", _MOST_LAYERS)
    try:
        with torch.device("meta"):
            planned = diffusers.UNet2DModel.from_config(config)
        numbers = sum(parameter.numel() for parameter in planned.parameters())
        if numbers > sum(file.stat().st_size for file in weights):
            raise ValueError(f"its weights are too few for the {numbers:,} of its config.json")
        return diffusers.UNet2DModel.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, low_cpu_mem_usage=False
        )
    except Exception as error:  # an altered byte shows in a dozen types
        raise _unreadable(folder, error) from error


def _require_count(folder: Path, config: dict[str, Any], key: str, most: int) -> None:
    """What is built of a number is built before diffusers looks at it."""
    count = config.get(key, 1)
    if not isinstance(count, int) or not 1 <= count <= most:
        raise ConfigurationError(f"{folder}: {key} must be in 1 to {most}, not {str(count)[:99]}")


def _unreadable(folder: Path, error: Exception) -> ConfigurationError:
    reason = " ".join(str(error).split())[:300] or type(error).__name__
    return ConfigurationError(f"{folder} cannot be read: {reason}")


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"{path} is missing: teacher= takes the whole folder of a pipeline of diffusers"
        ) from error
    except (ValueError, RecursionError, OSError) as error:
        raise ConfigurationError(f"{path} is not readable JSON: {error}") from error
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path} does not hold a mapping")
    return content
