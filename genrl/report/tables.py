"""The tables of the page; with several runs each metric has a column for each of them."""

from collections.abc import Iterable, Sequence

from genrl.report.charts import bar
from genrl.report.findings import main_weight, ratio, reference, savings, weights
from genrl.report.markup import Markup, element, folded, join
from genrl.report.reading import Row, Run
from genrl.report.words import COST, NEAREST, QUALITY, Metric, number, weight

_Key = tuple[str, int, str]


def quality_table(runs: Sequence[Run], labels: Sequence[str]) -> Markup:
    """Every stage at every weight."""
    metrics = [
        m for m in QUALITY if any(_value(run, r, m) is not None for run in runs for r in run.rows)
    ]
    bodies = [
        _body(runs, w, metrics, weight(w) if w is not None or len(weights(list(runs))) > 1 else "")
        for w in weights(list(runs))
    ]
    return join(_table(runs, labels, metrics, bodies), explanations(metrics))


def cost_table(runs: Sequence[Run], labels: Sequence[str]) -> Markup:
    """Network evaluations and time of one image, at one weight."""
    w = main_weight(runs[0])
    metrics = [*COST, Metric("saving", "cheaper than the reference", "", "ratio")]
    return join(_table(runs, labels, metrics, [_body(runs, w, metrics, "")]), explanations(COST))


def nearest_table(runs: Sequence[Run], labels: Sequence[str]) -> Markup:
    """How near the samples come to training examples, at one weight."""
    if not any(row[NEAREST.key] is not None for run in runs for row in run.rows):
        return join("")
    w = main_weight(runs[0])
    table = _table(runs, labels, [NEAREST], [_body(runs, w, [NEAREST], "")])
    head = "all stages" if w is None else f"all stages at {weight(w)}"
    return join(folded(f"{NEAREST.head}, {head}", table), explanations([NEAREST]))


def explanations(metrics: Iterable[Metric]) -> Markup:
    """A sentence for each metric."""
    entries = [join(element("dt", m.head), element("dd", m.meaning)) for m in metrics]
    return element("dl", join(*entries), class_="meanings")


def plain_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Markup:
    """Text in rows; the first cell of a row is its name."""
    lines = [
        element("tr", element("th", name, scope="row"), *(element("td", c) for c in cells))
        for name, *cells in rows
    ]
    return _scrolling(
        element("thead", element("tr", *(element("th", h, scope="col") for h in head))),
        element("tbody", join(*lines)),
        style="plain",
    )


def _table(
    runs: Sequence[Run], labels: Sequence[str], metrics: Sequence[Metric], bodies: list[Markup]
) -> Markup:
    several = len(runs) > 1
    tall = 2 if several else None
    first = [
        element("th", "stage", scope="col", rowspan=tall),
        element("th", "steps", scope="col", rowspan=tall),
        *(
            element(
                "th",
                m.head,
                scope="colgroup" if several else "col",
                colspan=len(runs) if several else None,
            )
            for m in metrics
        ),
    ]
    second = [
        element("th", element("b", label, class_=f"swatch s{i % 6}"), scope="col", class_="of-run")
        for _ in metrics
        for i, label in enumerate(labels)
    ]
    rows = [element("tr", *first), *([element("tr", *second)] if several else [])]
    return _scrolling(element("thead", *rows), *bodies)


def _body(runs: Sequence[Run], w: float | None, metrics: Sequence[Metric], title: str) -> Markup:
    """Rows of one weight, with a line above that names it."""
    found = [{row.key: row for row in run.rows if row.w == w} for run in runs]
    keys = list(dict.fromkeys(key for rows in found for key in rows))
    samplers = {sampler for _, _, sampler in keys}
    bases = {base.key for run in runs if (base := reference(run, w)) is not None}
    greatest = {
        m.key: max(
            (v for rows in found for r in rows.values() if (v := r[m.key]) is not None), default=0.0
        )
        for m in COST
    }
    lines = []
    if title:
        width = 2 + len(metrics) * len(runs)
        lines.append(
            element("tr", element("th", title, colspan=width, scope="rowgroup"), class_="weight")
        )
    for key in keys:
        cells = [
            _cell(run, rows.get(key), m, greatest.get(m.key, 0.0))
            for m in metrics
            for run, rows in zip(runs, found, strict=True)
        ]
        name = join(key[0], element("small", f" {key[2]}") if len(samplers) > 1 and key[2] else "")
        tag = join(" ", element("small", "reference", class_="tag")) if key in bases else ""
        lines.append(
            element(
                "tr",
                element("th", name, tag, scope="row"),
                element("td", str(key[1])),
                *cells,
                class_=_kind(key, bases),
            )
        )
    return element("tbody", *lines)


def _kind(key: _Key, bases: set[_Key]) -> str | None:
    """Style of a row: the reference stands out, its own sampler at other steps stands back."""
    if key in bases:
        return "is-reference"
    return "is-own" if key[0] in {stage for stage, _, _ in bases} else None


def _cell(run: Run, row: Row | None, metric: Metric, greatest: float) -> Markup:
    """A rounded number that carries the exact one."""
    value = None if row is None else _value(run, row, metric)
    if value is None:
        return element("td", "–")
    exact = element("data", number(value, metric.style), value=repr(value))
    return element("td", exact, bar(value, greatest) if greatest else "")


def _value(run: Run, row: Row, metric: Metric) -> float | None:
    if metric.key == "frechet_ratio":
        return ratio(run, row)
    if metric.key == "saving":
        faster = savings(run, row, "seconds_per_image")
        return faster if faster is not None else savings(run, row, "network_evaluations")
    return row[metric.key]


def _scrolling(*parts: str, style: str | None = None) -> Markup:
    """A table that scrolls sideways on its own where it is wider than the screen."""
    table = element("table", *parts, class_=style)
    return element("div", table, class_="scroll", tabindex="0")


def facts(run: Run) -> str:
    """One line of what the run is."""
    parts = [f"seed {run.seed}"]
    data = run.summary.get("data") or (run.config.get("data") or {})
    parts.append(f"data {data.get('name', '?') if isinstance(data, dict) else data}")
    feature, accuracy = run.nested("feature", "name"), run.nested("feature", "held_out_accuracy")
    if feature:
        judged = (
            f" ({100 * accuracy:.1f} % on held-out data)" if isinstance(accuracy, float) else ""
        )
        parts.append(f"feature {feature}{judged}")
    samples = run.summary.get("num_samples")
    if isinstance(samples, int):
        parts.append(f"{samples:,} samples per row")
    return " · ".join(parts)
