"""What happens before the jobs of a sweep."""

import os
from pathlib import Path

import joblib
import pytest
import yaml
from omegaconf import OmegaConf

from genrl.sweeps import SweepCallback


def folders_of_workers() -> set[str]:
    """Where joblib's processes are."""
    return set(joblib.Parallel(n_jobs=2, backend="loky")(joblib.delayed(os.getcwd)() for _ in "ab"))


def test_a_second_sweep_of_a_process_has_workers_in_its_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        config = OmegaConf.create({"seed": 3, "hydra": {"sweep": {"dir": "a/sweep"}}})
        SweepCallback().on_multirun_start(config)
        assert folders_of_workers() == {str(tmp_path / name)}
        assert yaml.safe_load(Path("a/sweep/multirun.yaml").read_text())["seed"] == 3
        assert SweepCallback.folder == Path("a/sweep")
