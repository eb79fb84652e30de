"""Everything else that is read: images, runs' files, pages, sweeps, optimized samplers."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from fuzzing import CASES, JUNK, altered, damaged, explore, refused_or
from hypothesis import strategies as st
from PIL import Image

from genrl.config import compose
from genrl.data.image_reader import ImageReader
from genrl.diffusion import CosineSchedule, DDIMSampler, UniformTimeGrid
from genrl.report import write_report
from genrl.run_folder import RunFolder
from genrl.sweeps import JobRecord, is_sweep, resume_words
from genrl.sweeps.objective import quality
from genrl.tasks.optimized import read_optimized

JOB = {"overrides": ["seed=1", "sampler=heun"], "exit_code": 2, "reason": "it's wrong"}
SWEEP = {"hydra": {"overrides": {"hydra": ["hydra/launcher=joblib"], "task": ["seed=1,2"]}}}
GRID = {"kind": "grid", "method": "dp", "stage": "teacher", "steps": 2, "times": [1.0, 0.5, 0.0]}
COEFFICIENTS = {
    "kind": "sampler", "method": "ggdm", "stage": "teacher", "steps": 2,
    "of_x": [0.5], "of_z": [[0.5]], "std": [0.1],
}  # fmt: skip
ROW = {
    "name": "teacher", "num_steps": 4, "sampler": "ddim", "w": 1.0, "frechet": 2.5,
    "frechet_held_out": 2.0, "precision": 0.5, "recall": 0.5, "accuracy": None,
    "paired_rmse": 0.1, "nearest_distance": 1.0, "network_evaluations": 8,
    "seconds_per_image": 0.1, "frechet_ratio": 1.0,
}  # fmt: skip
SUMMARY = {
    "name": "denoise", "seed": 0, "data": "digits", "feature": {"name": "identity"},
    "num_samples": 20, "reference": {"stage": "teacher", "num_steps": 4},
    "baselines": {"train_vs_held_out_frechet": 0.1},
    "stages": [ROW, {**ROW, "name": "1", "num_steps": 1, "frechet": 5.0}],
}  # fmt: skip
CONFIG = compose(["sampler.steps=4"])
METRICS = "update,stage,loss,seconds\n1,teacher,0.5,0.1\n2,teacher,0.4,0.2\n3,1,0.3,0.3\n"
RETURNS = {"update": 3, "env_steps": 300, "seconds": 1.5, "returns": [1.0, 2.0, 3.0]}
AGENT_SUMMARY = {
    "seed": 0, "env": "Pendulum-v1", "algorithm": "ppo", "final": {"iqm": 2.0, "mean": 2.0},
    "env_steps": 300, "expert_return": 3.0, "evaluation": {"iqm": 1.0, "interval": [0, 2]},
}  # fmt: skip


def text(value: Any) -> bytes:
    """As JSON, which YAML reads too."""
    return json.dumps(value).encode(errors="replace")


def file_of(whole: Any) -> st.SearchStrategy[bytes]:
    """Bytes of a file that held a value once."""
    return altered(whole).map(text) | damaged(text(whole)) | JUNK.map(text)


@CASES
def test_records_of_jobs(cases: int, tmp_path: Path) -> None:
    def check(data: bytes) -> None:
        (tmp_path / "job.yaml").write_bytes(data)
        refused_or(lambda: JobRecord.read(tmp_path))

    explore(check, file_of(JOB) | damaged(yaml.safe_dump(JOB).encode()), cases)


@CASES
def test_folders_of_sweeps(cases: int, tmp_path: Path) -> None:
    def check(data: bytes) -> None:
        (tmp_path / "multirun.yaml").write_bytes(data)
        assert is_sweep(tmp_path)
        words = refused_or(lambda: resume_words(tmp_path))
        assert words is None or words[0] == "-m"

    explore(check, file_of(SWEEP) | damaged(yaml.safe_dump(SWEEP).encode()), cases)


@CASES
def test_optimized_grids_and_samplers(cases: int, tmp_path: Path) -> None:
    path, schedule = tmp_path / "dp_2.json", CosineSchedule()

    def check(data: bytes) -> None:
        path.write_bytes(data)
        found = refused_or(lambda: read_optimized(path))
        if found is not None:
            own = DDIMSampler(schedule, UniformTimeGrid(schedule))
            refused_or(lambda: found.sampler(own))

    explore(check, file_of(GRID) | file_of(COEFFICIENTS), cases)


@CASES
def test_configs_and_summaries_of_runs(cases: int, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)

    def check(case: tuple[bytes, bytes]) -> None:
        (tmp_path / "config.yaml").write_bytes(case[0])
        folder.summary.write_bytes(case[1])
        refused_or(folder.config)
        refused_or(folder.read_summary)
        quality(tmp_path)
        quality(tmp_path, "stages.-1.frechet")

    explore(check, st.tuples(file_of(CONFIG), file_of(SUMMARY)), cases)


@CASES
def test_pages_of_runs(cases: int, tmp_path: Path) -> None:
    def check(case: tuple[bytes, bytes, bytes]) -> None:
        for name, data in zip(("config.yaml", "summary.json", "metrics.csv"), case, strict=True):
            (tmp_path / name).write_bytes(data)
        refused_or(lambda: write_report([tmp_path], tmp_path / "report.html"))

    config = st.just(text(CONFIG)) | file_of(CONFIG)
    explore(check, st.tuples(config, file_of(SUMMARY), damaged(METRICS.encode())), cases)


@CASES
def test_pages_of_agents(cases: int, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("task: agent\nname: ppo\n")
    lines = st.lists(file_of(RETURNS), min_size=1, max_size=3).map(b"\n".join)

    def check(case: tuple[bytes, bytes, bytes]) -> None:
        names = ("evaluations.jsonl", "summary.json", "metrics.csv")
        for name, data in zip(names, case, strict=True):
            (tmp_path / name).write_bytes(data + b"\n")
        refused_or(lambda: write_report([tmp_path], tmp_path / "report.html"))

    explore(check, st.tuples(lines, file_of(AGENT_SUMMARY), damaged(METRICS.encode())), cases)


def image(name: str, mode: str) -> bytes:
    """A small picture of noise."""
    pixels = np.random.default_rng(0).integers(0, 255, (12, 10, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, name)
    return buffer.getvalue()


FORMATS = [("PNG", "RGB"), ("PNG", "P"), ("JPEG", "L"), ("GIF", "P"), ("TIFF", "RGB"), ("BMP", "L")]


@CASES
@pytest.mark.filterwarnings("ignore")
def test_images(cases: int, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(image("PNG", "RGB"))
    reader = ImageReader.detect([str(path)], 8, None)
    as_it_is = ImageReader.detect([str(path)], None, 3)

    def check(data: bytes) -> None:
        path.write_bytes(data)
        for each in (reader, as_it_is):
            pixels = refused_or(lambda each=each: each.read(str(path)))
            assert pixels is None or pixels.shape == (3, each.height, each.width)

    wholes = st.sampled_from([image(*each) for each in FORMATS])
    explore(check, wholes.flatmap(damaged), cases)
