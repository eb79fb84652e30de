"""The report: one HTML file that needs nothing else, the same bytes for the same runs.

Its order: what came out, in a sentence; pictures; quality against steps; every number; cost;
nearest training examples; training; config; versions. Several runs are compared on the same page.
"""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from genrl.files import write_text
from genrl.registry import ConfigurationError
from genrl.report import sections
from genrl.report.charts import legend
from genrl.report.findings import headline
from genrl.report.markup import Markup, element, join
from genrl.report.reading import Run, read_run
from genrl.report.tables import facts

# Nothing is fetched and nothing is run, whatever a run's files hold.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def write_report(runs: list[Path], out: Path) -> Path:
    """Write the page of one run, or the comparison of several.

    Args:
        runs: folders of runs, finished or not.
        out: the HTML file to write.

    Raises:
        ConfigurationError: if no run is given, or a folder is not that of a run.
    """
    if not runs:
        raise ConfigurationError("a report needs at least one run folder: genrl report RUN...")
    write_text(out, page([read_run(path) for path in runs]))
    return out


def page(runs: Sequence[Run]) -> str:
    """The HTML of the report."""
    labels = [_letter(i) for i in range(len(runs))]
    names = _names(runs)
    title = runs[0].name if len(runs) == 1 else f"{len(runs)} runs compared"
    parts = [
        section(runs, labels)
        for section in (
            sections.ladder,
            sections.quality,
            sections.summary,
            sections.cost,
            sections.nearest,
            sections.training,
            sections.configs,
            sections.versions,
        )
    ]
    style = resources.files("genrl.report").joinpath("style.css").read_text(encoding="utf-8")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"{title} – genrl report"),
        element("style", Markup(style)),
    )
    body = element("body", element("main", _opening(runs, labels, names, title), *parts))
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _opening(
    runs: Sequence[Run], labels: Sequence[str], names: Sequence[str], title: str
) -> Markup:
    if len(runs) == 1:
        said = [
            element("p", facts(runs[0]), class_="facts"),
            element("p", headline(runs[0]), class_="headline"),
        ]
    else:
        said = [legend(labels, names)]
        for i, (label, run) in enumerate(zip(labels, runs, strict=True)):
            mark = element("b", label, class_=f"swatch s{i % 6}")
            said.append(element("p", mark, " ", headline(run), class_="headline several"))
    missing = [
        element("li", f"{label}: {problem}" if len(runs) > 1 else problem)
        for label, run in zip(labels, runs, strict=True)
        for problem in run.problems
    ]
    if missing:
        lead = element("p", "Not finished yet, or not complete:")
        said.append(element("div", lead, element("ul", *missing), class_="missing", role="note"))
    return element("header", element("h1", title), join(*said))


def _names(runs: Sequence[Run]) -> list[str]:
    """What tells the runs apart: names and seeds, else folders too."""
    names = [f"{run.name} · {facts(run)}" for run in runs]
    if len({(run.name, run.seed) for run in runs}) == len(runs):
        return names
    folders = {run.path.name for run in runs}
    is_enough = len(folders) == len(runs)
    return [
        f"{name} · {run.path.name if is_enough else run.path}"
        for name, run in zip(names, runs, strict=True)
    ]


def _letter(index: int) -> str:
    return chr(ord("A") + index) if index < 26 else f"R{index + 1}"
