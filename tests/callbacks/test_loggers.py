"""A logger that fails is told of once and stops no run; a missing package is told of before."""

from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.loggers import CSVLogger

from genrl.callbacks.loggers import build_loggers
from genrl.registry import ConfigurationError
from genrl.run_folder import RunFolder

CSV = {"_target_": "lightning.pytorch.loggers.CSVLogger", "name": "csv", "version": ""}
TENSORBOARD = {**CSV, "_target_": "lightning.pytorch.loggers.TensorBoardLogger"}
WANDB = {"_target_": "lightning.pytorch.loggers.WandbLogger", "offline": True}


def test_numbers_arrive(tmp_path: Path) -> None:
    said: list[str] = []
    (logger,) = build_loggers({"csv": CSV}, RunFolder(tmp_path), said.append)
    logger.log_metrics({"loss": 0.5}, step=3)
    logger.save()
    assert isinstance(logger.logger, CSVLogger)
    assert (tmp_path / "csv" / "metrics.csv").read_text() == "loss,step\n0.5,3\n"
    assert not said


def test_a_failure_is_told_once_and_silences_only_that_logger(tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / "broken").write_text("a file where the logger wants a folder")
    choices = {"broken": {**CSV, "name": "broken"}, "csv": CSV}
    broken, healthy = build_loggers(choices, RunFolder(tmp_path), said.append)
    for step in range(3):
        for logger in (broken, healthy):
            logger.log_metrics({"loss": 1.0}, step=step)
            logger.save()
    assert len(said) == 1
    assert "the logger 'broken' failed" in said[0]
    assert "NotADirectoryError" in said[0] or "FileExistsError" in said[0]
    assert (tmp_path / "csv" / "metrics.csv").read_text().count("\n") == 4


def test_a_missing_package_is_named_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lightning.pytorch.loggers.wandb._WANDB_AVAILABLE", False)
    with pytest.raises(ConfigurationError, match=r"logger=wandb needs .* pip install wandb"):
        build_loggers({"wandb": WANDB}, RunFolder(tmp_path), print)


def test_a_refused_argument_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="unexpected keyword argument 'colour'"):
        build_loggers({"csv": {**CSV, "colour": 1}}, RunFolder(tmp_path), print)


def test_wandb_goes_on_with_the_same_run_after_a_resume(tmp_path: Path) -> None:
    ids = [
        build_loggers({"wandb": WANDB}, RunFolder(tmp_path / name), print)[0].logger
        for name in "aab"
    ]
    assert ids[0].version == ids[1].version != ids[2].version


@pytest.mark.parametrize(
    ("choice", "reason"),
    [
        ({**CSV, "save_dir": ".."}, r"save_dir=\.\. leads out of"),
        ({**CSV, "save_dir": "/tmp"}, "save_dir=/tmp leads out of"),
        ({**CSV, "name": "../../away"}, "the folder of logger.it=.* leads out of"),
        ({**CSV, "version": "../../../away"}, "the folder of logger.it=.* leads out of"),
        ({**TENSORBOARD, "sub_dir": "../../../away"}, "the folder of logger.it=.* leads out of"),
        ({**WANDB, "dir": "/tmp"}, "logger.it.dir is not taken from a config"),
        (
            {**WANDB, "settings": {"base_url": "http://elsewhere"}},
            "logger.it.settings.base_url is not taken from a config",
        ),
        (
            {"_target_": "lightning.pytorch.loggers.MLFlowLogger", "tracking_uri": "http://away"},
            "MLFlowLogger is not allowed; loggers are",
        ),
        ({"_target_": "os.system"}, "_target_=os.system is not allowed"),
    ],
)
def test_a_config_cannot_send_a_logger_elsewhere(
    choice: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    """It may come from somebody else."""
    run = tmp_path / "deep" / "run"
    with pytest.raises(ConfigurationError, match=reason):
        build_loggers({"it": choice}, RunFolder(run), print)
    assert not list(tmp_path.rglob("*"))
