"""The page as a reader gets it: parsed, and compared with the files of the run."""

import base64
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from genrl.registry import ConfigurationError
from genrl.report import write_report

MakeRun = Callable[..., Path]
VOID = {"meta", "img", "br"}


@dataclass
class Page(HTMLParser):
    """Elements, the text of each section, and the cells of each table."""

    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    sections: dict[str, str] = field(default_factory=dict)
    tables: dict[str, list[list[str]]] = field(default_factory=dict)
    exact: dict[str, list[list[str]]] = field(default_factory=dict)
    current: str = "top"

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "h2":
            self.current = ""
        if tag == "tr":
            self.tables.setdefault(self.current, []).append([])
            self.exact.setdefault(self.current, []).append([])
        if tag in {"th", "td"}:
            self.tables[self.current][-1].append("")
        if tag == "data":
            self.exact[self.current][-1].append(dict(attrs)["value"] or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h2":
            self.current = data
        self.sections[self.current] = self.sections.get(self.current, "") + data
        if {"th", "td"} & set(self.open):
            self.tables[self.current][-1][-1] += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def parsed(runs: list[Path], out: Path) -> Page:
    path = write_report(runs, out)
    assert path == out
    page = Page()
    page.feed(out.read_text(encoding="utf-8"))
    page.close()
    assert page.open == []
    return page


def changed(run: Path, file: str, change: Callable[[Any], None]) -> None:
    content = json.loads((run / file).read_text())
    change(content)
    (run / file).write_text(json.dumps(content))


def test_sections_are_in_order(make_run: MakeRun, tmp_path: Path) -> None:
    page = parsed([make_run()], tmp_path / "report.html")
    assert list(page.sections)[-8:] == [
        "The ladder",
        "Quality against number of steps",
        "All stages",
        "Cost per image at w\u00a0=\u00a01",
        "Nearest training examples",
        "Training",
        "Config",
        "Versions",
    ]


def test_nothing_is_fetched_or_run(make_run: MakeRun, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    page = parsed([make_run()], out)
    assert not {"script", "link", "iframe", "object", "base", "form"} & {
        tag for tag, _ in page.tags
    }
    for _, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in {"src", "href", "srcset", "data", "poster", "action"}:
                assert value is not None
                assert value.startswith("data:image/png;base64,")
    text = re.sub(r"base64,[A-Za-z0-9+/=]+", "", out.read_text())
    assert not re.search(r"https?:|url\(|@import|//[a-z]", text)
    assert any("default-src 'none'" in (m.get("content") or "") for m in page.of("meta"))


def test_numbers_are_those_of_the_summary(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()
    page = parsed([run], tmp_path / "report.html")
    summary = json.loads((run / "summary.json").read_text())
    metrics = [
        "frechet",
        "frechet_ratio",
        "frechet_held_out",
        "precision",
        "recall",
        "accuracy",
        "paired_rmse",
    ]
    expected = [
        [str(row["num_steps"]), [row[m] for m in metrics if row[m] is not None]]
        for w in (0.0, 1.0, 4.0)
        for row in summary["stages"]
        if row["w"] == w
    ]
    cells, exact = page.tables["All stages"], page.exact["All stages"]
    found = [
        [row[1], [float(value) for value in values]]
        for row, values in zip(cells, exact, strict=True)
        if values
    ]
    assert found == expected
    shown = next(row for row in cells if row[:2] == ["4", "4"])
    assert shown[2:] == ["9.78", "1.05×", "10.5", "0.931", "0.798", "92.5 %", "0.0539"]
    cost = [
        [float(v) for v in row] for row in page.exact["Cost per image at w\u00a0=\u00a01"] if row
    ]
    teacher = next(r for r in summary["stages"] if r["w"] == 1.0)
    for row, values in zip([r for r in summary["stages"] if r["w"] == 1.0], cost, strict=True):
        saving = teacher["seconds_per_image"] / row["seconds_per_image"]
        assert values == [row["network_evaluations"], row["seconds_per_image"], saving]


def test_headline(make_run: MakeRun, tmp_path: Path) -> None:
    page = parsed([make_run()], tmp_path / "report.html")
    assert (
        "4 steps instead of 64 (4 instead of 128 network evaluations): Fréchet distance 1.05× the "
        "teacher’s at w\u00a0=\u00a01, 28× cheaper. With 1 step: 1.93×. "
        "(The teacher’s own distance: 6.12; held-out data: 2.87.)" in page.sections["top"]
    )
    assert "feature digits (98.6 % on held-out data)" in page.sections["top"]


def test_every_stage_has_its_picture_and_none_is_lost(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()
    page = parsed([run], tmp_path / "report.html")
    index = json.loads((run / "samples" / "index.json").read_text())
    files = {(run / "samples" / entry["file"]).read_bytes(): entry for entry in index}
    shown = [base64.b64decode((i["src"] or "").split(",")[1]) for i in page.of("img")]
    assert sorted(shown) == sorted(files)
    grids = [files[png] for png in shown if files[png]["kind"] == "grid"]
    ladder = [(entry["stage"], entry["num_steps"]) for entry in grids[:7]]
    assert ladder == [
        ("teacher", 64),
        ("guided", 32),
        ("16", 16),
        ("8", 8),
        ("4", 4),
        ("2", 2),
        ("1", 1),
    ]
    assert {entry["stage"] for entry in grids[7:]} == {"teacher"}
    nearest = [files[png] for png in shown if files[png]["kind"] == "nearest"]
    assert nearest[0]["stage"] == "4"  # the student of the headline


def test_pictures_of_single_weights_are_grouped(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()

    def by_weight(index: list[dict[str, Any]]) -> None:
        grids = [entry for entry in index if entry["kind"] == "grid"]
        index[:] = [{**entry, "w": w} for w in (4.0, 0.0, 1.0) for entry in grids[:1]]

    changed(run, "samples/index.json", by_weight)
    page = parsed([run], tmp_path / "report.html")
    text = page.sections["The ladder"]
    weights = re.findall("w\u00a0=\u00a0(\\d)", text)
    assert weights == ["1", "0", "4"]  # where the reference is best, in the open, then the others


def test_text_of_others_is_escaped(make_run: MakeRun, tmp_path: Path) -> None:
    evil = '<script>alert("x")</script>&amp;'
    run = make_run(name=evil, note=evil)

    def rename(summary: dict[str, Any]) -> None:
        for row in summary["stages"]:
            row["name"] = row["name"].replace("guided", evil)

    changed(run, "summary.json", rename)
    (run / "versions.yaml").write_text(f"'{evil}': '{evil}'\n")
    out = tmp_path / "report.html"
    page = parsed([run, make_run("other")], out)
    assert "<script" not in out.read_text()
    assert page.of("script") == []
    assert evil in page.sections["top"]
    assert evil in page.sections["All stages"]
    assert evil in page.sections["Versions"]
    assert f"note: {evil}" in page.sections["Config"]


def test_same_runs_same_bytes(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()
    pages = [write_report([run], tmp_path / f"{i}" / "report.html").read_bytes() for i in range(2)]
    assert pages[0] == pages[1]
    moved = tmp_path / "elsewhere" / run.name
    moved.parent.mkdir()
    shutil.copytree(run, moved)
    assert write_report([moved], tmp_path / "m.html").read_bytes() == pages[0]


def test_comparison(make_run: MakeRun, tmp_path: Path) -> None:
    network = {"name": "unet", "channels": 64, "multipliers": [1, 2]}
    runs = [make_run(), make_run("later", name="wide", seed=7, factor=1.15, network=network)]
    page = parsed(runs, tmp_path / "report.html")
    top = page.sections["top"]
    assert "cfg_distill · seed 0" in top
    assert "wide · seed 7" in top
    differing = {row[0]: row[1:] for row in page.tables["Config"]}
    assert differing == {
        "key": ["A", "B"],
        "name": ["cfg_distill", "wide"],
        "seed": ["0", "7"],
        "network.channels": ["32", "64"],
    }
    summaries = [json.loads((run / "summary.json").read_text()) for run in runs]
    rows = zip(page.tables["All stages"], page.exact["All stages"], strict=True)
    at_four = [values for cells, values in rows if cells[:2] == ["4", "4"]]
    for w, values in zip((0.0, 1.0, 4.0), at_four, strict=True):
        pair = [
            row["frechet"]
            for s in summaries
            for row in s["stages"]
            if (row["name"], row["w"]) == ("4", w)
        ]
        assert [float(v) for v in values[:2]] == pair
    charts = page.sections["Quality against number of steps"]
    for label in ("A distilled", "B distilled", "A teacher", "B teacher"):
        assert charts.count(label) == 3
    assert "No differences." in page.sections["Versions"]


def test_runs_alike_are_told_apart_by_folder(make_run: MakeRun, tmp_path: Path) -> None:
    page = parsed([make_run("first"), make_run("second")], tmp_path / "report.html")
    assert "first" in page.sections["top"]
    assert "second" in page.sections["top"]
    assert page.sections["Config"].startswith("ConfigNo differences.")


def test_runs_of_a_sweep_are_told_apart_by_what_was_swept(
    make_run: MakeRun, tmp_path: Path
) -> None:
    runs = [make_run("first"), make_run("second")]
    for run, steps in zip(runs, (4, 8), strict=True):
        config = yaml.safe_load((run / "config.yaml").read_text())
        config["sampler"] = {**(config.get("sampler") or {}), "steps": steps}
        (run / "config.yaml").unlink()
        (run / "config.yaml").write_text(yaml.safe_dump(config))
    top = parsed(runs, tmp_path / "report.html").sections["top"]
    assert "steps=4" in top
    assert "steps=8" in top


def test_unfinished_run(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()
    (run / "summary.json").unlink()
    shutil.rmtree(run / "samples")
    page = parsed([run], tmp_path / "report.html")
    top = page.sections["top"]
    assert "summary.json is missing" in top
    assert "samples/index.json is missing" in top
    assert "8,000 updates so far, in stage “1”" in top
    assert "Not there yet" in page.sections["The ladder"]
    assert "Not there yet" in page.sections["All stages"]
    assert "Loss" in page.sections["Training"]


def test_a_run_that_is_not_measured_by_choice(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(evaluation={"name": "none"})
    (run / "summary.json").unlink()
    shutil.rmtree(run / "samples")
    top = parsed([run], tmp_path / "report.html").sections["top"]
    assert "Trained without evaluation (callback@evaluation=none)" in top
    assert "is missing" not in top


def test_run_between_two_stages(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()

    def cut(summary: dict[str, Any]) -> None:
        summary["stages"] = [r for r in summary["stages"] if r["name"] == "teacher"]

    changed(run, "summary.json", cut)
    page = parsed([run], tmp_path / "report.html")
    assert "No student has been evaluated yet." in page.sections["top"]
    assert "Stage guided has begun and has not been evaluated." in page.sections["top"]
    assert "1.00×" in page.sections["All stages"]


def test_only_a_config(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text("name: just_started\n")
    page = parsed([run], tmp_path / "report.html")
    assert page.sections["top"].count("is missing") == 4
    assert "just_started" in page.sections["top"]
    assert "metrics.csv is written during training" in page.sections["Training"]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("summary.json", '{"name": "x", "stages": [{"na'),
        ("summary.json", "[1, 2]"),
        ("config.yaml", "a: [1"),
        ("metrics.csv", "update,stage,loss\n50,teacher"),
        ("metrics.csv", ""),
    ],
)
def test_damaged_files_are_reported(
    make_run: MakeRun, tmp_path: Path, file: str, content: str
) -> None:
    run = make_run()
    (run / file).write_text(content)
    page = parsed([run], tmp_path / "report.html")
    if file != "metrics.csv":
        assert file in page.sections["top"]


def test_strange_numbers_are_dashes(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()

    def spoil(summary: dict[str, Any]) -> None:
        for row in summary["stages"]:
            if row["name"] == "2":
                row.update(frechet=float("nan"), frechet_ratio=None, precision="good", recall=True)
            if row["name"] == "8":
                row.update(frechet=0.0, frechet_ratio=0.0)
            row["w"] = None

    changed(run, "summary.json", spoil)
    page = parsed([run], tmp_path / "report.html")
    row = next(cells for cells in page.tables["All stages"] if cells[:2] == ["2", "2"])
    assert [row[i] for i in (2, 3, 5, 6)] == ["–"] * 4


def test_pictures_outside_of_the_run_are_not_read(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()
    secret = tmp_path / "secret.png"
    secret.write_bytes(next((run / "samples").glob("*.png")).read_bytes())
    shutil.rmtree(run / "samples")
    (run / "samples").mkdir()
    (run / "samples" / "no.png").write_text("not a picture")
    entry = {"stage": "4", "num_steps": 4, "w": None, "caption": "c", "kind": "grid"}
    files = ["../../secret.png", str(secret), "no.png", "missing.png", ""]
    index = [{**entry, "file": file} for file in files]
    (run / "samples" / "index.json").write_text(json.dumps(index))
    page = parsed([run], tmp_path / "report.html")
    assert page.of("img") == []
    assert "5 of the pictures in samples/index.json are missing" in page.sections["top"]


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no run folder .*nowhere"):
        write_report([tmp_path / "nowhere"], tmp_path / "report.html")
    with pytest.raises(ConfigurationError, match="is not the folder of a run"):
        write_report([tmp_path], tmp_path / "report.html")
    with pytest.raises(ConfigurationError, match="at least one run"):
        write_report([], tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()
