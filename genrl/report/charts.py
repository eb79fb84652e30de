"""The charts of the page: quality against number of steps, and the training metrics."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from genrl.report.findings import Curve, curves, reference, weights
from genrl.report.markup import Markup, element, join
from genrl.report.reading import Run, as_number
from genrl.report.svg import Plane, Point, Scale, Writer, stacked
from genrl.report.words import significant, steps, weight

_MOST_POINTS = 400


@dataclass(frozen=True)
class _Drawn:
    label: str
    style: str
    points: list[Point]


def quality_charts(runs: Sequence[Run], labels: Sequence[str]) -> list[Markup]:
    """Fréchet distance against number of steps: a chart for each weight, all on one scale."""
    found = {
        w: [
            _drawn(len(runs), label, index, curve)
            for index, (run, label) in enumerate(zip(runs, labels, strict=True))
            for curve in curves(run, w)
        ]
        for w in weights(list(runs))
    }
    points = [point for lines in found.values() for line in lines for point in line.points]
    if not points:
        return []
    floor = as_number(runs[0].nested("baselines", "train_vs_held_out_frechet"))
    floors = [floor] if len(runs) == 1 and floor else []
    x = Scale.around([p[0] for p in points], is_log=True, margin=0.06)
    y = Scale.around([*(p[1] for p in points), *floors], is_log=True, margin=0.1)
    return [
        _quality_chart(runs, labels, w, [line for line in lines if line.points], x, y)
        for w, lines in found.items()
        if any(line.points for line in lines)
    ]


def _drawn(count: int, label: str, index: int, curve: Curve) -> _Drawn:
    points = [p for p in curve.points if p[1] > 0]  # the axis is logarithmic
    if count == 1:
        return _Drawn(curve.label, "s0" if curve.is_distilled else "s1 dashed", points)
    style = f"s{index % 6}" + ("" if curve.is_distilled else " dashed")
    return _Drawn(f"{label} {curve.label}", style, points)


def _quality_chart(
    runs: Sequence[Run],
    labels: Sequence[str],
    w: float | None,
    lines: list[_Drawn],
    x: Scale,
    y: Scale,
) -> Markup:
    plane = Plane(x, y, 360, 280, top=12.0 * len(runs))
    counts = sorted({p[0] for line in lines for p in line.points})
    plane.axes(_apart(counts, x), y.ticks(5), "steps", Writer())
    if len(runs) == 1:
        _references(plane, runs[0], w)
    for line in lines:
        plane.line(line.points, line.style, has_marks=True)
    anchors = [plane.at(line.points[0]) for line in lines]
    # Labels stand right above where the lines begin, in a pile where several begin alike.
    heights = stacked([place[1] - 8 for place in anchors], 14)
    for line, (left, _), height in zip(lines, anchors, heights, strict=True):
        place = (min(left + 8, plane.width - 100), max(height, 12.0))
        plane.text(place, line.label, style=f"label {line.style}")
    title = weight(w)
    description = f"Fréchet distance against number of steps, {title}: {', '.join(labels)}"
    return element(
        "figure", element("figcaption", title), plane.svg(description), class_="card chart"
    )


def _references(plane: Plane, run: Run, w: float | None) -> None:
    """Two horizontal lines: the reference, and data against data."""
    base, right = reference(run, w), plane.width - plane.right
    if base is not None and base["frechet"] is not None and base["frechet"] > 0:
        _, height = plane.at((plane.x.low, base["frechet"]))
        plane.rule((plane.left, height), (right, height), "reference")
        text = f"{base.stage}, {steps(base.num_steps)}"
        plane.text((right, height + 13), text, "end", "note")
    floor = as_number(run.nested("baselines", "train_vs_held_out_frechet"))
    if floor is not None and floor > 0:
        _, height = plane.at((plane.x.low, floor))
        plane.rule((plane.left, height), (right, height), "reference")
        plane.text((plane.left + 4, height + 13), "held-out data", "start", "note")


def metric_charts(runs: Sequence[Run], labels: Sequence[str]) -> list[Markup]:
    """Loss, gradient norm and learning rate against updates, with the stages marked."""
    names = ("loss", "gradient_norm", "learning_rate")
    charts = []
    for name in names:
        if len({tuple(_stages(run)) for run in runs}) == 1:
            groups = [list(range(len(runs)))]
        else:  # stages that end at different updates cannot share an axis
            groups = [[i] for i in range(len(runs))]
        for group in groups:
            chart = _metric_chart(runs, labels, group, name)
            if chart is not None:
                charts.append(chart)
    return charts


def _metric_chart(
    runs: Sequence[Run], labels: Sequence[str], group: list[int], name: str
) -> Markup | None:
    lines = [(i, _segments(runs[i], name)) for i in group]
    values = [p for _, segments in lines for segment in segments for p in segment]
    if not values:
        return None
    is_log = all(p[1] > 0 for p in values)
    x = Scale(0.0, max(update for run in runs for update in _updates(run)))
    y = Scale.around([p[1] for p in values], is_log=is_log, margin=0.06)
    plane = Plane(x, y, 960, 300 if name == "loss" else 190, left=56, top=30)
    plane.axes(x.ticks(8), y.ticks(5 if name == "loss" else 3), "updates", Writer())
    _mark_stages(plane, _stages(runs[group[0]]))
    for i, segments in lines:
        for segment in segments:
            plane.line(segment, f"s{i % 6} thin")
    title = name.replace("_", " ").capitalize()
    if len(runs) > 1:
        title += f": {', '.join(labels[i] for i in group)}"
    return element(
        "figure",
        element("figcaption", title),
        element("div", plane.svg(f"{title} against updates"), class_="scroll wide"),
        class_="card",
    )


def _mark_stages(plane: Plane, stages: list[tuple[str, float]]) -> None:
    """A line where a stage ends, its name over its middle where there is room."""
    start = 0.0
    for name, end in stages:
        left, right = plane.at((start, plane.y.low))[0], plane.at((end, plane.y.low))[0]
        if right - left > 7 * len(name):
            plane.text(((left + right) / 2, 18), name, "middle", "name")
        plane.rule((right, 8), (right, plane.height - plane.bottom), "boundary")
        start = end


def _stages(run: Run) -> list[tuple[str, float]]:
    """Stages in order, each with the last update that was logged of it."""
    updates = _updates(run)
    ends: dict[str, float] = {}
    for (stage, _), update in zip(run.metrics, updates, strict=True):
        ends[stage] = update
    return list(ends.items())


def _updates(run: Run) -> list[float]:
    """Update counts over the whole run, also where each stage counts from 0."""
    counts, offset, last = [], 0.0, 0.0
    for _, numbers in run.metrics:
        if numbers["update"] < last:
            offset += last
        last = numbers["update"]
        counts.append(offset + last)
    return counts


def _segments(run: Run, name: str) -> list[list[Point]]:
    """(update, value) of a metric, a list for each stage; long ones as means of neighbours."""
    rows = zip(run.metrics, _updates(run), strict=True)
    logged = [(stage, u, numbers[name]) for (stage, numbers), u in rows if name in numbers]
    size = math.ceil(len(logged) / _MOST_POINTS)
    result = []
    for _, members in groupby(logged, key=lambda entry: entry[0]):
        points = [(update, value) for _, update, value in members]
        chunks = [points[i : i + size] for i in range(0, len(points), size)]
        result.append([(_mean([u for u, _ in c]), _mean([v for _, v in c])) for c in chunks])
    return result


def legend(labels: Sequence[str], names: Sequence[str]) -> Markup:
    """Which colour and letter is which run."""
    items = [
        element("li", element("b", label, class_=f"swatch s{i % 6}"), " ", name)
        for i, (label, name) in enumerate(zip(labels, names, strict=True))
    ]
    return element("ul", join(*items), class_="legend")


def bar(value: float | None, greatest: float) -> Markup:
    """A number with a bar under it, as long as its part of the greatest."""
    if value is None or greatest <= 0:
        return join("")
    return element("span", "", class_="bar", style=f"width:{significant(100 * value / greatest)}%")


def _apart(counts: list[float], x: Scale) -> list[float]:
    """Those step counts whose labels do not run into the one before."""
    kept: list[float] = []
    for count in counts:
        if not kept or x(count) - x(kept[-1]) > 0.05:
            kept.append(count)
    return kept


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
