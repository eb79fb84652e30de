"""What a run's guidance asks for: a weaker model, arrays of a known part, a classifier of noise."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from genrl.data.image_reader import FORMATS
from genrl.diffusion import ConditionalDenoise, NoiseSchedule
from genrl.diffusion.guidance import ClassifierTraining, Logits, Sources
from genrl.diffusion.noise import randn
from genrl.diffusion.noisy_classifier import NoisyClassifier, num_outputs_for
from genrl.diffusion.schedules import schedules
from genrl.diffusion.schedules.base import NoiseLevel
from genrl.evaluation.evaluator import MAX_REAL
from genrl.evaluation.features.fitted import FittedClassifier
from genrl.evaluation.features.training import Recipe
from genrl.files import existing
from genrl.networks import networks
from genrl.registry import ConfigurationError
from genrl.run_folder import RunFolder
from genrl.tasks.build import Config, build_data, build_denoiser
from genrl.tasks.teacher import TeacherCheckpoint, load_teacher
from genrl.typing import Data, DataSpec

PATHS = ("model", "values", "mask")
Say = Callable[[str], None]

log = logging.getLogger(__name__)


def guidance_sources(
    config: Config, spec: DataSpec, folder: RunFolder, say: Say = log.info
) -> Sources:
    """Opens models and arrays when guidance is built, and trains a classifier when it is used.

    Args:
        config: of the run.
        spec: of its data.
        folder: of the run, which keeps the classifier.
        say: tells a person what takes long.
    """

    def model(path: str, average: str | None) -> ConditionalDenoise:
        return open_model(Path(path), average, config, spec)

    def array(path: str) -> Tensor:
        return read_array(Path(path), spec)

    def classifier(training: ClassifierTraining) -> Logits:
        return _ClassifierOfTheRun(config, spec, folder, training, say)

    return Sources(model, array, classifier)


def with_absolute_paths(config: Config) -> Config:
    """The config of a run that can be resumed and sampled from in another folder."""
    guidance = {
        key: str(Path(value).resolve()) if key in PATHS and value else value
        for key, value in config["guidance"].items()
    }
    return {**config, "guidance": guidance}


def open_model(
    path: Path, average: str | None, config: Config, spec: DataSpec
) -> ConditionalDenoise:
    """A trained model, frozen, that can be asked where this run's model is asked.

    Args:
        path: run folder, or checkpoint of a teacher.
        average: which moving average in the checkpoint, None for the weights themselves.
        config: of this run.
        spec: of this run's data.

    Raises:
        ConfigurationError: if there is none, or it knows another schedule or other data.
    """
    teacher = load_teacher(path)
    if not isinstance(teacher, TeacherCheckpoint):
        raise ConfigurationError(f"{path}: a weaker model is a run of genrl or its checkpoint")
    checkpoint = teacher.checkpoint
    about = checkpoint["genrl"]
    if about["config"]["schedule"] != config["schedule"]:
        raise ConfigurationError(
            f"the model {path} was trained with the schedule {about['config']['schedule']}, this "
            f"run has {config['schedule']}: both must see the same noise at the same time"
        )
    own = DataSpec(tuple(about["data"]["shape"]), about["data"]["num_classes"])
    if own != spec:
        raise ConfigurationError(
            f"the model {path} was trained on data of shape {own.shape} with {own.num_classes} "
            f"classes; this run's data has shape {spec.shape} and {spec.num_classes} classes"
        )
    with torch.random.fork_rng(devices=[]):
        denoiser = build_denoiser({**about["config"], "compile": config["compile"]}, spec)
    denoiser.load_state_dict(checkpoint["state_dict"])
    if average is not None:
        averages = checkpoint.get("averages", {})
        if average not in averages:
            raise ConfigurationError(
                f"{path} holds no average '{average}': it holds {', '.join(averages) or 'none'}"
            )
        denoiser.load_state_dict(averages[average], strict=False)
    following: Any = _Following(denoiser.eval().requires_grad_(False))
    opened: ConditionalDenoise = following
    return opened


def read_array(path: Path, spec: DataSpec) -> Tensor:
    """Numbers from ``.npy`` as they are, or a picture in [-1, 1] with the channels of the data.

    Raises:
        ConfigurationError: if there is no such file or it is neither.
    """
    existing(path, "array or picture")
    try:
        if path.suffix == ".npy":
            return torch.from_numpy(np.load(path, allow_pickle=False)).float()
        with Image.open(path, formats=FORMATS) as picture:
            grey = len(spec.shape) == 3 and spec.shape[0] == 1
            pixels = np.asarray(picture.convert("L" if grey else "RGB"), dtype=np.float32)
    except Exception as error:  # a damaged file shows in a dozen types
        raise ConfigurationError(f"{path} is neither an array (.npy) nor a picture") from error
    image = torch.from_numpy(pixels / 127.5 - 1)
    return image[None] if image.ndim == 2 else image.permute(2, 0, 1)


class _Following:
    """A frozen module that goes to the device of what it is asked."""

    def __init__(self, module: nn.Module) -> None:
        self.module, self.device = module, torch.device("cpu")

    def __call__(self, z: Data, *more: Any, **named: Any) -> Any:
        if z.device != self.device:
            self.module.to(z.device)
            self.device = z.device
        return self.module(z, *more, **named)


class _AtAnyNoise(nn.Module):
    """Shows a classifier clean examples at random times; what `train_classifier` trains."""

    def __init__(self, classifier: NoisyClassifier, schedule: NoiseSchedule, about: str) -> None:
        super().__init__()
        self.classifier, self.schedule, self.about = classifier, schedule, about
        self.generator = torch.Generator().manual_seed(0)

    def extra_repr(self) -> str:
        return self.about

    def forward(self, x: Data) -> tuple[Tensor, Tensor]:
        t = torch.rand(len(x), generator=self.generator).to(x.device)
        noise = randn(x.shape, self.generator, device=x.device)
        logits = self.classifier(self.schedule.perturb(x, t, noise), self.schedule.level_like(t, x))
        return logits, logits


class _ClassifierOfTheRun:
    """Learns from the run's data when it is first asked, or is read from the run's folder."""

    def __init__(
        self,
        config: Config,
        spec: DataSpec,
        folder: RunFolder,
        training: ClassifierTraining,
        say: Say,
    ) -> None:
        if spec.num_classes < 2:
            raise ConfigurationError("guidance=classifier needs labelled data")
        self.recipe = Recipe(
            training.updates,
            training.batch_size,
            training.learning_rate,
            weight_decay=0.01,
            seed=training.seed,
        )
        self.config, self.folder, self.say = config, folder, say
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(training.seed)
            network = networks.build(
                config["network"], DataSpec(spec.shape), num_outputs_for(spec.shape)
            )
            self.classifier = NoisyClassifier(network, spec.num_classes)
        self.following: _Following | None = None

    def __call__(self, z: Data, level: NoiseLevel) -> Tensor:
        if self.following is None:
            self._fit(z.device)
            self.following = _Following(self.classifier.requires_grad_(False))
        logits: Tensor = self.following(z, level)
        return logits

    def _fit(self, device: torch.device) -> None:
        schedule = schedules.build(self.config["schedule"])
        about = f"{self.config['network']}, {self.config['schedule']}"
        network = _AtAnyNoise(self.classifier, schedule, about)
        data = build_data(self.config)
        train = data.train().evenly(MAX_REAL)
        held_out = data.held_out()
        fitted = FittedClassifier("noisy_classifier", network, self.recipe)
        self.say("preparing the classifier of noisy data for guidance=classifier")
        accuracy = fitted.fit(
            *train,
            *(train if held_out is None else held_out.evenly(MAX_REAL)),
            self.folder.path / "features",
            device,
        )
        network.cpu()
        self.say(f"it is right for {accuracy:.0%} of held-out data over all noise levels")
