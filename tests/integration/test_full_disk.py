"""A disk that runs full while training: one line says so, and what was whole stays whole."""

from pathlib import Path

import pytest

from genrl import checkpoints
from genrl.cli import main
from genrl.run_folder import RunFolder


def test_a_disk_that_runs_full(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The optimizer's state makes the second checkpoint larger than the disk."""
    monkeypatch.chdir(small_disk)
    words = [
        "data=gaussian_mixture",
        "network=mlp",
        "network.features=16",
        "network.num_layers=1",
        "callback@evaluation=none",
        "callback@progress=none",
        "device=cpu",
        "training.updates=40",
        "training.batch_size=8",
        "checkpoint.every=2",
        "hydra.run.dir=run",
    ]
    with pytest.raises(SystemExit) as stop:
        main(["train", *words])
    assert stop.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "could not be written (No space left on device" in lines[0]
    assert "go on with: genrl resume" in lines[0]
    folder = RunFolder.open(Path("run"))
    assert checkpoints.load(folder.last)["genrl"]["stage"] == "teacher"
    assert not list(folder.checkpoints.glob(".*"))
    assert "next.ckpt" not in [path.name for path in folder.checkpoints.iterdir()]
