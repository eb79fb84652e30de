"""The report: one HTML file that needs nothing else, the same bytes for the same runs.

The page of agents is made in ``agents``. That of diffusion runs, in its order: what came out, in a
sentence; pictures; quality against steps; every number; cost; likelihood; nearest training
examples; training; config; versions. Several runs are compared on the same page.
"""

from collections.abc import Sequence
from pathlib import Path

from genrl.files import write_text
from genrl.registry import ConfigurationError
from genrl.report import sections
from genrl.report.agents import agents_page, read_agent_run
from genrl.report.charts import legend
from genrl.report.differences import differing
from genrl.report.document import document, letter, missing
from genrl.report.findings import headline
from genrl.report.markup import Markup, element, join
from genrl.report.reading import Run, read_run, task
from genrl.report.tables import facts


def write_report(runs: list[Path], out: Path) -> Path:
    """Write the page of one run, or the comparison of several.

    Args:
        runs: folders of runs, finished or not.
        out: the HTML file to write.

    Raises:
        ConfigurationError: if no run is given, a folder is not that of a run, or runs of different
            tasks are to be compared.
    """
    if not runs:
        raise ConfigurationError("a report needs at least one run folder: genrl report RUN...")
    tasks = {path: task(path) for path in runs}
    if len(set(tasks.values())) > 1:
        listed = ", ".join(f"{path} ({name})" for path, name in tasks.items())
        raise ConfigurationError(
            f"a page compares runs of one task, but these are of several: {listed}"
        )
    if tasks[runs[0]] == "agent":
        write_text(out, agents_page([read_agent_run(path) for path in runs]))
    else:
        write_text(out, page([read_run(path) for path in runs]))
    return out


def page(runs: Sequence[Run]) -> str:
    """The HTML of the report."""
    labels = [letter(i) for i in range(len(runs))]
    names = _names(runs)
    title = runs[0].name if len(runs) == 1 else f"{len(runs)} runs compared"
    parts = [
        section(runs, labels)
        for section in (
            sections.ladder,
            sections.quality,
            sections.summary,
            sections.cost,
            sections.likelihood,
            sections.nearest,
            sections.training,
            sections.configs,
            sections.versions,
        )
    ]
    return document(title, _opening(runs, labels, names, title), parts)


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
    said.append(missing([run.problems for run in runs], labels))
    return element("header", element("h1", title), join(*said))


def _names(runs: Sequence[Run]) -> list[str]:
    """What tells the runs apart: names and seeds, else what differs in configs, or folders."""
    names = [f"{run.name} · {facts(run)}" for run in runs]
    if len({(run.name, run.seed) for run in runs}) == len(runs):
        return names
    flat = [
        sections.flattened({k: v for k, v in run.config.items() if k not in ("name", "seed")})
        for run in runs
    ]
    own = [differing(config, flat) for config in flat]
    told = {(run.name, run.seed, what) for run, what in zip(runs, own, strict=True)}
    if all(own) and len(told) == len(runs):
        return [f"{name} · {what}" for name, what in zip(names, own, strict=True)]
    folders = {run.path.name for run in runs}
    is_enough = len(folders) == len(runs)
    return [
        f"{name} · {run.path.name if is_enough else run.path}"
        for name, run in zip(names, runs, strict=True)
    ]
