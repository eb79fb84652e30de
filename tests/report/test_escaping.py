"""A page of a run whose every text is markup: none of it becomes part of the page."""

import csv
import json
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from genrl.report import write_report

PAYLOAD = (
    "\"'></title></style></svg></summary><script>document.title='it ran'</script>"
    '<img src=x onerror="document.title=\'it ran\'"><a href="javascript:alert(1)">'
)
KEPT = {"file", "kind"}  # what the page looks up, or chooses by
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)


class Tags(HTMLParser):
    """Counts elements, and keeps every attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.count: dict[str, int] = {}
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1
        self.attributes += attrs


def planted(value: Any, key: str = "") -> Any:
    """The payload behind every text; the same text stays the same everywhere."""
    if isinstance(value, dict):
        return {name: planted(part, name) for name, part in value.items()}
    if isinstance(value, list):
        return [planted(part, key) for part in value]
    return value + PAYLOAD if isinstance(value, str) and key not in KEPT else value


@pytest.fixture
def pages(make_run: Callable[..., Path], tmp_path: Path) -> tuple[Path, Path]:
    """The page of an innocent run, and that of the same run with the payload everywhere."""
    run = make_run()
    innocent = write_report([run], tmp_path / "innocent.html")
    evil = run.rename(run.with_name("<img src=x onerror=alert(1)>"))
    for name in ("config.yaml", "versions.yaml"):
        content = planted(yaml.safe_load((evil / name).read_text()))
        content |= {PAYLOAD: PAYLOAD} if name == "config.yaml" else {PAYLOAD: "1"}
        (evil / name).write_text(yaml.safe_dump(content))
    for name in ("summary.json", "samples/index.json"):
        (evil / name).write_text(json.dumps(planted(json.loads((evil / name).read_text()))))
    rows = list(csv.DictReader((evil / "metrics.csv").read_text().splitlines()))
    with (evil / "metrics.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0]])
        writer.writeheader()
        writer.writerows({**row, "stage": row["stage"] + PAYLOAD} for row in rows)
    return innocent, write_report([evil], tmp_path / "evil.html")


def test_no_text_becomes_an_element(pages: tuple[Path, Path]) -> None:
    innocent, evil = Tags(), Tags()
    innocent.feed(pages[0].read_text())
    evil.feed(pages[1].read_text())
    for tag in ("script", "a", "title", "style", "iframe"):
        assert evil.count.get(tag) == innocent.count.get(tag)
    assert not [name for name, _ in evil.attributes if name.startswith("on")]
    sources = [value for name, value in evil.attributes if name in ("src", "href")]
    assert all((source or "").startswith("data:image/png;base64,") for source in sources)
    assert pages[1].read_text().count("&lt;script&gt;") > 20


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_browser_runs_nothing(pages: tuple[Path, Path], tmp_path: Path) -> None:
    """With the page's own policy taken away, which would stop a script that is there."""

    def dom(page: Path) -> str:
        profile = tmp_path / "profile"
        command = [
            str(CHROMIUM),
            *("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"),
            *("--virtual-time-budget=2000", "--dump-dom", page.as_uri()),
        ]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    text = pages[1].read_text()
    bare = tmp_path / "bare.html"
    bare.write_text(text.replace("Content-Security-Policy", "nothing"))
    assert "<title>it ran</title>" not in dom(bare)
    bare.write_text(text.replace("Content-Security-Policy", "nothing") + PAYLOAD)
    assert "<title>it ran</title>" in dom(bare)  # else the browser proves nothing
