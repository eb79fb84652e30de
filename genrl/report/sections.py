"""The sections of the page, in its order; each returns nothing where there is nothing to show."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from genrl.report.charts import metric_charts, quality_charts
from genrl.report.findings import main_weight
from genrl.report.markup import Markup, element, folded, join
from genrl.report.pictures import NONE_YET, ladder_pictures, nearest_pictures
from genrl.report.reading import Documented, Run, as_number
from genrl.report.tables import cost_table, nearest_table, plain_table, quality_table
from genrl.report.words import weight


def ladder(runs: Sequence[Run], labels: Sequence[str]) -> Markup:
    """The same noise down the ladder."""
    text = (
        "Each picture starts from the same noise: where the students follow their teachers, the "
        "same images come out, with fewer and fewer steps."
    )
    return section("The ladder", element("p", text), ladder_pictures(runs, labels))


def quality(runs: Sequence[Run], labels: Sequence[str]) -> Markup:
    """Charts of Fréchet distance against steps."""
    charts = quality_charts(runs, labels)
    text = (
        "Fréchet distance to the training data (lower is better), both axes logarithmic. The solid "
        "line joins the distilled students, each at the number of steps it was made for; the "
        "dashed one is the undistilled model’s own sampler at as few steps."
    )
    style = "charts pairs" if len(charts) in (2, 4) else "charts"
    body = element("div", *charts, class_=style) if charts else element("p", NONE_YET)
    return section("Quality against number of steps", element("p", text), body)


def summary(runs: Sequence[Run], labels: Sequence[str]) -> Markup:
    """All measures of all stages."""
    has_rows = any(run.rows for run in runs)
    return section(
        "All stages", quality_table(runs, labels) if has_rows else element("p", NONE_YET)
    )


def cost(runs: Sequence[Run], labels: Sequence[str]) -> Markup:
    """What an image costs."""
    if not any(run.rows for run in runs):
        return section("Cost per image", element("p", NONE_YET))
    w = main_weight(runs[0])
    at = "" if w is None else f" at {weight(w)}"
    return section(f"Cost per image{at}", cost_table(runs, labels))


def likelihood(runs: Sequence[Run], labels: Sequence[str]) -> Markup:
    """Bits per dimension, where they were measured."""
    rows: list[list[str]] = []
    for run, label in zip(runs, labels, strict=True):
        found = run.summary.get("likelihood")
        for row in found if isinstance(found, list) else []:
            bits, error = (as_number(row.get(key)) for key in ("bits_per_dim", "standard_error"))
            if bits is not None:
                spread = "" if error is None else f" ± {error:.4f}"
                name = f"{row.get('estimate')}, {row.get('split')}"
                cells = [name, str(row.get("stage")), f"{bits:.4f}{spread}"]
                rows.append([label, *cells] if len(runs) > 1 else cells)
    if not rows:
        return join("")
    text = (
        "How many bits each number of an example costs under the model: lower is better. A bound "
        "is never below the truth; the ODE gives the density itself, estimated by one random probe "
        "for each example. ± is a standard error over examples."
    )
    head = ["estimate", "stage", "bits per dimension"]
    table = plain_table(["run", *head] if len(runs) > 1 else head, rows)
    return section("Likelihood", element("p", text), table)


def nearest(runs: Sequence[Run], labels: Sequence[str]) -> Markup:
    """Samples beside the training examples that they are nearest to."""
    text = "Has the model copied? Samples beside the training example nearest to each in pixels."
    return section(
        "Nearest training examples",
        element("p", text),
        nearest_pictures(runs, labels),
        nearest_table(runs, labels),
    )


def training(runs: Sequence[Run], labels: Sequence[str]) -> Markup:
    """Loss curves."""
    charts = metric_charts(runs, labels)
    none = "Not there yet: metrics.csv is written during training."
    return section("Training", join(*charts) if charts else element("p", none))


def configs(runs: Sequence[Documented], labels: Sequence[str]) -> Markup:
    """The whole config of each run; of several runs first what differs."""
    parts = [_differences([run.config for run in runs], labels, "key")] if len(runs) > 1 else []
    for run, label in zip(runs, labels, strict=True):
        if run.config:
            text = yaml.safe_dump(run.config, sort_keys=False, allow_unicode=True)
            head = f"{label}: config.yaml" if len(runs) > 1 else "config.yaml"
            parts.append(folded(head, element("pre", text)))
        else:
            parts.append(element("p", f"config.yaml of {run.path.name} is missing."))
    return section("Config", *parts)


def versions(runs: Sequence[Documented], labels: Sequence[str]) -> Markup:
    """Versions of packages; of several runs only what differs, and the rest folded."""
    names = list(dict.fromkeys(name for run in runs for name in run.versions))
    if not names:
        return section("Versions", element("p", "versions.yaml is missing."))
    rows = [(str(n), *(str(run.versions.get(n, "–")) for run in runs)) for n in names]
    head = ["package", *(labels if len(runs) > 1 else ["version"])]
    parts = (
        [_differences([run.versions for run in runs], labels, "package")] if len(runs) > 1 else []
    )
    return section("Versions", *parts, folded("all packages", plain_table(head, rows)))


def flattened(config: Mapping[Any, Any], prefix: str = "") -> dict[str, str]:
    """Dotted keys and their values as text."""
    result: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            result |= flattened(value, f"{prefix}{key}.")
        else:
            result[f"{prefix}{key}"] = yaml.safe_dump(value, default_flow_style=True).split("\n")[0]
    return result


def _differences(configs: list[dict[str, Any]], labels: Sequence[str], what: str) -> Markup:
    flat = [flattened(config) for config in configs]
    keys = list(dict.fromkeys(key for config in flat for key in config))
    rows = [(key, *(config.get(key, "–") for config in flat)) for key in keys]
    rows = [row for row in rows if len(set(row[1:])) > 1]
    if not rows:
        return element("p", "No differences.")
    return plain_table([what, *labels], rows)


def section(title: str, *parts: str) -> Markup:
    """A part of the page under its heading."""
    return element("section", element("h2", title), *parts)
