"""A trained model in place of the first stage: ``teacher=`` a run, a checkpoint or diffusers'."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from genrl import checkpoints
from genrl.diffusion import Stage
from genrl.files import existing
from genrl.modules import DiffusionModule
from genrl.registry import ConfigurationError
from genrl.run_folder import RunFolder
from genrl.tasks.agent import is_agent
from genrl.tasks.build import MODEL_KEYS, Config
from genrl.tasks.diffusers_teacher import is_diffusers_folder, load_diffusers_teacher
from genrl.typing import DataSpec


class Teacher(Protocol):
    """A trained model that takes the place of the teacher stage."""

    @property
    def path(self) -> Path:
        """Where it comes from."""

    def adapt(self, config: Config) -> Config:
        """The config with the teacher's network, schedule and parameterization, for students."""

    def load_into(self, module: DiffusionModule) -> None:
        """Student and teacher take its weights."""


TEACHER_STAGE = Stage("teacher", {"name": "denoising"}, 1, 1.0)
"""The stage that a given teacher replaces."""


@dataclass(frozen=True)
class TeacherCheckpoint:
    """The checkpoint of a finished teacher stage.

    Args:
        path: where it comes from.
        checkpoint: its content.
    """

    path: Path
    checkpoint: dict[str, Any]

    def adapt(self, config: Config) -> Config:
        """The config with the teacher's network, schedule and parameterization, for students."""
        own = self.checkpoint["genrl"]["config"]
        teacher = str(self.path.resolve())
        return {**config, **{key: own[key] for key in MODEL_KEYS}, "teacher": teacher}

    def load_into(self, module: DiffusionModule) -> None:
        """Student and teacher take these weights.

        Raises:
            ConfigurationError: if the data has another form than the teacher's.
        """
        form = self.checkpoint["genrl"]["data"]
        own = DataSpec(tuple(form["shape"]), form["num_classes"])
        spec = module.denoiser.network.spec
        if own != spec:
            raise ConfigurationError(
                f"the teacher {self.path} was trained on data of shape {own.shape} "
                f"with {own.num_classes} classes; "
                f"this run's data has shape {spec.shape} and {spec.num_classes} classes"
            )
        module.denoiser.load_state_dict(self.checkpoint["state_dict"])
        if module.teacher is not None:
            module.teacher.load_state_dict(self.checkpoint["state_dict"])


def load_teacher(path: Path) -> Teacher:
    """Read a teacher from a run folder, a checkpoint file or a folder of diffusers.

    Raises:
        ConfigurationError: if there is none, or the checkpoint is that of a distilled student.
    """
    existing(path, "run folder, checkpoint or diffusers folder")
    if is_diffusers_folder(path):
        return load_diffusers_teacher(path)
    if path.is_dir():
        folder = RunFolder.open(path)
        if is_agent(folder.config()):
            raise ConfigurationError(f"{path} is an agent's run: a teacher is a diffusion model")
        checkpoint = folder.load_stage("teacher")
    else:
        checkpoint = checkpoints.load(path)
    about = checkpoint["genrl"]
    if "config" not in about or about.get("is_guided") or about.get("num_steps") is not None:
        raise ConfigurationError(
            f"{path} is not the checkpoint of a teacher stage; "
            "give a run folder or its checkpoints/teacher.ckpt"
        )
    return TeacherCheckpoint(path, checkpoint)
