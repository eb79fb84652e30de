"""The page of agents as a reader gets it: parsed, and compared with the files of the runs."""

import base64
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from genrl.registry import ConfigurationError
from genrl.report import write_report

MakeRun = Callable[..., Path]
VOID = {"meta", "img", "br"}


@dataclass
class Page(HTMLParser):
    """Elements, the text of each section, and the cells of each section's tables."""

    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    sections: dict[str, str] = field(default_factory=dict)
    tables: dict[str, list[list[str]]] = field(default_factory=dict)
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
        if tag in {"th", "td"}:
            self.tables[self.current][-1].append("")

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

    def row(self, section: str, name: str) -> list[str]:
        return next(row for row in self.tables[section] if row[0].startswith(name))


def parsed(runs: list[Path], out: Path) -> Page:
    assert write_report(runs, out) == out
    page = Page()
    page.feed(out.read_text(encoding="utf-8"))
    page.close()
    assert page.open == []
    return page


def finals(run: Path) -> list[float]:
    line = (run / "evaluations.jsonl").read_text().splitlines()[-1]
    returns: list[float] = json.loads(line)["returns"]
    return returns


def test_sections_are_in_order(make_agent_run: MakeRun, tmp_path: Path) -> None:
    page = parsed([make_agent_run(loss="gail")], tmp_path / "report.html")
    assert list(page.sections)[-8:] == [
        "Results",
        "Learning curves",
        "Videos",
        "Learned reward",
        "Training",
        "Every run",
        "Config",
        "Versions",
    ]
    own = parsed([make_agent_run()], tmp_path / "own.html")
    assert "Learned reward" not in own.sections  # the environment's own is not learned


def test_several_seeds(make_agent_run: MakeRun, tmp_path: Path) -> None:
    """IQM over seeds of their means; three seeds: the interval reaches from worst to best."""
    runs = [make_agent_run("sac", "gail", seed, expert=1250.0) for seed in (1, 2, 3)]
    page = parsed(runs, tmp_path / "report.html")
    means = [float(np.mean(finals(run))) for run in runs]
    score = float(np.mean(means))  # nothing is trimmed of three
    head, expert, row = page.tables["Results"]
    assert head == [
        "method",
        "seeds",
        "return",
        "95 % interval",
        "of the expert’s",
        "steps",
        "updates",
        "time",
    ]
    assert expert[:3] == ["expert demonstrations", "", "1,250"]
    assert row[:2] == ["gail · sac", "3"]
    assert float(row[2].replace(",", "")) == pytest.approx(score, rel=1e-3)
    low, high = (float(x.replace(",", "")) for x in row[3].strip("[]").split(", "))
    assert (low, high) == pytest.approx((min(means), max(means)), rel=1e-3)
    assert row[4] == f"{100 * score / 1250:.1f} %"
    assert row[5:7] == ["100,000", "500"]
    exact = [d["value"] for d in page.of("data")]
    assert float(exact[1] or "") == pytest.approx(score, rel=1e-14)
    text = page.sections["Results"]
    assert "resamples seeds, never episodes" in text
    assert "3 of 4 cases at most" in text
    top = page.sections["top"].replace("\u00a0", " ")
    assert "gail · sac on Hopper-v5, 3 runs" in top
    assert f"gail · sac reaches a return of {row[2]} {row[3]} (3 seeds) after 100,000" in top
    assert f", {100 * score / 1250:.0f} % of the expert’s 1,250." in top


def test_one_seed_has_an_interval_of_its_episodes(make_agent_run: MakeRun, tmp_path: Path) -> None:
    run = make_agent_run("ppo", env="Pendulum-v1", level=-160.0)
    page = parsed([run], tmp_path / "report.html")
    returns = finals(run)
    row = page.row("Results", "ppo")
    assert row[1] == "1"
    assert float(row[2]) == pytest.approx(stats.trim_mean(returns, 0.25), rel=1e-3)
    assert row[3].endswith(" of the episodes")
    low, high = (float(x) for x in row[3].split("]")[0].strip("[").split(", "))
    assert min(returns) < low < float(row[2]) < high < max(returns)
    assert "10 episodes of one seed" in page.sections["top"]
    assert "of the expert’s" not in page.sections["Results"]


def test_methods_are_compared(make_agent_run: MakeRun, tmp_path: Path) -> None:
    levels = {"gail": 900.0, "smiling": 990.0, "constant": 200.0}
    runs = [
        make_agent_run(
            "sac", loss, seed, level=level, expert=None if loss == "constant" else 1000.0
        )
        for loss, level in levels.items()
        for seed in (1, 2, 3)
    ]
    page = parsed(runs, tmp_path / "report.html")
    rows = page.tables["Results"]
    names = [row[0].strip() for row in rows[:5]]
    assert names == [
        "method",
        "expert demonstrations",
        "smiling · sac",
        "gail · sac",
        "constant · sac control",
    ]
    # The control has no demonstrations, and is measured against those of the others.
    part = float(rows[4][2]) / 1000
    assert float(rows[4][4].removesuffix(" %")) == pytest.approx(100 * part, abs=0.06)
    top = page.sections["top"].replace("\u00a0", " ")
    assert "9 runs: 3 methods on Hopper-v5" in top
    assert "smiling · sac reaches" in top
    assert re.search(r"Then gail · sac [\d,.]+\. The intervals of the first two overlap\.", top)
    assert re.search(r"The constant control: [\d,.]+\.", top)
    # Every seed of the learners beats every one of the control.
    assert rows[-1] == ["constant · sac", "0 %", "0 %", ""]
    assert len(page.tables["Every run"]) == 10
    for section in ("Learning curves", "Learned reward", "Training"):
        assert page.sections[section].strip()
    charts = page.sections["Learning curves"]
    for axis in ("environment steps", "updates", "seconds"):
        assert f"Return against {axis}" in charts
    assert charts.count("expert 1,000") == 3


def test_only_a_seed_may_differ_within_a_method(make_agent_run: MakeRun, tmp_path: Path) -> None:
    runs = [
        make_agent_run(seed=1, folder="a"),
        make_agent_run(seed=2, folder="b", name="other", device="auto"),
        make_agent_run(seed=1, folder="c", gamma=0.9),
    ]
    page = parsed(runs, tmp_path / "report.html")
    assert page.row("Results", "sac (gamma=0.99)")[1] == "2"
    assert page.row("Results", "sac (gamma=0.9)")[1] == "1"


def test_the_same_seed_twice_is_no_evidence(make_agent_run: MakeRun, tmp_path: Path) -> None:
    run = make_agent_run(seed=1)
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    page = parsed([run, copy, make_agent_run(seed=2), run], tmp_path / "report.html")
    assert page.row("Results", "sac")[1] == "2"
    top = page.sections["top"]
    for letter in "BD":
        assert f"{letter}: its config and seed 1 are those of an earlier run" in top
    assert [row[1] for row in page.tables["Every run"][1:]] == [
        "sac",
        "left out",
        "sac",
        "left out",
    ]


def test_several_environments(make_agent_run: MakeRun, tmp_path: Path) -> None:
    runs = [
        make_agent_run("sac", "gail", seed, env=env, level=level, expert=expert)
        for env, level, expert in (("Hopper-v5", 900.0, 3000.0), ("Ant-v5", 500.0, 1000.0))
        for seed in (1, 2, 3, 4)
    ]
    page = parsed(runs, tmp_path / "report.html")
    assert [h for h in ("Hopper-v5", "Ant-v5") if h in page.sections["Results"]]
    together = page.tables["Results"][-1]
    scores = [np.mean(finals(run)) / (3000 if "Hopper" in run.name else 1000) for run in runs]
    assert together[:2] == ["gail · sac", "8"]
    assert float(together[2].split()[0]) == pytest.approx(stats.trim_mean(scores, 0.25), abs=6e-4)
    gap = np.mean([max(0.0, 1 - score) for score in scores])
    assert float(together[3].split()[0]) == pytest.approx(gap, abs=6e-4)
    assert "on 2 environments" in page.sections["top"]


def test_a_negative_expert_has_no_fraction(make_agent_run: MakeRun, tmp_path: Path) -> None:
    run = make_agent_run("sac", "gail", env="Pendulum-v1", level=-200.0, expert=-150.0)
    page = parsed([run], tmp_path / "report.html")
    assert page.row("Results", "gail")[4] == "–"
    assert re.search(r"[\d.]+ below the expert’s -150\.0\.", page.sections["top"])


def test_videos_are_inside(make_agent_run: MakeRun, tmp_path: Path, video: bytes) -> None:
    runs = [make_agent_run(seed=seed) for seed in (1, 2, 3)]
    page = parsed(runs, tmp_path / "report.html")
    players = page.of("video")
    assert len(players) == 3
    for player in players:
        head, _, content = (player["src"] or "").partition(",")
        assert head == "data:video/mp4;base64"
        assert base64.b64decode(content) == video
        assert "controls" in player
    means = {run: np.mean(finals(run)) for run in runs}
    middle = sorted(runs, key=means.__getitem__)[1]
    seed = middle.name[-1]
    text = page.sections["Videos"]
    assert text.index(f"seed {seed} · return 987.65 in 1,000 steps, the first 250") < text.index(
        "other seeds (2)"
    )


def test_videos_that_cannot_be_shown(make_agent_run: MakeRun, tmp_path: Path) -> None:
    gone, large, alien, foreign = (make_agent_run(seed=seed) for seed in (1, 2, 3, 4))
    (gone / "videos" / "final.mp4").unlink()
    (large / "videos" / "final.mp4").write_bytes(b"0000ftyp" + bytes(2_000_000))
    (alien / "videos" / "final.mp4").write_bytes(b"<script>alert(1)</script>")
    (foreign / "videos" / "index.json").write_text('[{"file": "../../secret.mp4"}]')
    (tmp_path / "secret.mp4").write_bytes(b"0000ftypsecret")
    out = tmp_path / "report.html"
    page = parsed([gone, large, alien, foreign], out)
    assert page.of("video") == []
    text = page.sections["Videos"]
    assert text.count("the file is missing") == 2
    assert "too large for a page: videos/final.mp4" in text
    assert "is no MP4 file" in text
    assert base64.b64encode(b"0000ftypsecret").decode() not in out.read_text()


def test_nothing_is_fetched_or_run(make_agent_run: MakeRun, tmp_path: Path) -> None:
    evil = '<script>alert("x")</script>'
    out = tmp_path / "report.html"
    run = make_agent_run("sac", "gail", name=evil, note=evil)
    entry = {"file": "final.mp4", "return": evil, "length": evil}
    (run / "videos" / "index.json").write_text(json.dumps([entry]))
    page = parsed([run], out)
    assert "<script" not in out.read_text()
    for _, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in {"src", "href", "srcset", "data", "poster", "action"}:
                assert (value or "").startswith("data:video/mp4;base64,")
    assert any("default-src 'none'" in (m.get("content") or "") for m in page.of("meta"))
    assert evil in page.sections["top"]


def test_same_runs_same_bytes(make_agent_run: MakeRun, tmp_path: Path) -> None:
    runs = [make_agent_run("sac", "gail", seed) for seed in (1, 2)]
    pages = [write_report(runs, tmp_path / f"{i}.html").read_bytes() for i in range(2)]
    assert pages[0] == pages[1]


def test_learned_reward(make_agent_run: MakeRun, tmp_path: Path) -> None:
    page = parsed([make_agent_run("sac", "gail")], tmp_path / "report.html")
    text = page.sections["Learned reward"]
    for head in ("Reward correlation", "Learned reward", "Return of the constant control"):
        assert f"{head} against environment steps" in text
    assert "Correlation with length" not in text  # was not logged
    assert "Reward correlation" not in page.sections["Training"]
    assert "Entropy of the policy" in page.sections["Training"]


def test_unfinished_run(make_agent_run: MakeRun, tmp_path: Path) -> None:
    run = make_agent_run(is_finished=False)
    (run / "versions.yaml").unlink()
    text = (run / "evaluations.jsonl").read_text()
    whole = text.splitlines(keepends=True)[:4]
    (run / "evaluations.jsonl").write_text("".join(whole) + '{"update": 999, "ret')
    page = parsed([run], tmp_path / "report.html")
    top = page.sections["top"]
    assert "summary.json is missing (written when a run ends)." in top
    assert "after 30,000 steps, so far." in top
    assert page.row("Results", "sac")[4:6] == ["30,000", "150"]
    assert "not evaluations" not in top  # half a last line is no damage


def test_only_a_config(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text("task: agent\nname: just_started\n")
    page = parsed([run], tmp_path / "report.html")
    assert page.sections["top"].count("is missing") == 4
    assert "nothing has been evaluated yet" in page.sections["top"]
    assert "Nothing has been evaluated yet" in page.sections["Results"]
    assert "evaluations.jsonl is written during training" in page.sections["Learning curves"]
    (run / "config.yaml").write_text("task: agent\nevaluation: {name: none}\n")
    top = parsed([run], tmp_path / "report.html").sections["top"]
    assert top.count("is missing") == 3
    assert "trained without evaluation (callback@evaluation=none)" in top
    assert "metrics.csv is written during training" in page.sections["Training"]


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("summary.json", '{"env": "x', "summary.json cannot be read"),
        ("summary.json", "[1]", "summary.json does not hold what it should"),
        ("config.yaml", "a: [1", "config.yaml cannot be read"),
        ("evaluations.jsonl", "", "holds no evaluation yet"),
        ("evaluations.jsonl", "nonsense\n[1]\n", "2 lines of evaluations.jsonl are not"),
        ("evaluations.jsonl", '{"update": 1, "returns": [1, "nan"]}\n', "1 lines of evaluations"),
        ("evaluations.jsonl", '{"update": 1, "returns": [1e160, 1, 2]}\n', "1 lines of"),
        ("evaluations.jsonl", '{"update": 1, "env_steps": -1, "returns": [1]}\n', "1 lines of"),
        ("metrics.csv", "", ""),
        ("videos/index.json", '{"a": 1', ""),
        ("videos/index.json", "7", ""),
    ],
)
def test_damaged_files_are_reported(
    make_agent_run: MakeRun, tmp_path: Path, file: str, content: str, said: str
) -> None:
    run = make_agent_run("sac", "gail")
    (run / file).write_text(content)
    page = parsed([run], tmp_path / "report.html")
    assert said in page.sections["top"]


def test_two_tasks_are_not_mixed(make_agent_run: MakeRun, tmp_path: Path) -> None:
    other = tmp_path / "diffusion"
    other.mkdir()
    (other / "config.yaml").write_text("name: cfg_distill\n")
    out = tmp_path / "report.html"
    with pytest.raises(ConfigurationError, match=r"of one task.*\(agent\).*\(diffusion\)"):
        write_report([make_agent_run(), other], out)
    assert not out.exists()
