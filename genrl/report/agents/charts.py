"""Charts of the page: learning curves with their bands on three axes, and training metrics."""

from collections.abc import Callable, Sequence

from genrl.report.agents.curves import Curve, learning_curve, metric_curve
from genrl.report.agents.groups import Group, expert_return
from genrl.report.agents.reading import Evaluation
from genrl.report.agents.words import score
from genrl.report.markup import Markup, element, join
from genrl.report.svg import Plane, Scale, Writer

_Drawn = tuple[Group, Curve]

_LINE = 15.0  # height of a line of text
_AXES: tuple[tuple[str, Callable[[Evaluation], float]], ...] = (
    ("environment steps", lambda evaluation: evaluation.env_steps),
    ("updates", lambda evaluation: evaluation.update),
    ("seconds", lambda evaluation: evaluation.seconds),
)


def learning_charts(groups: Sequence[Group]) -> Markup:
    """Return against steps, updates and seconds, all on one scale; nothing before two evaluations.

    Args:
        groups: of one environment.
    """
    drawn = [(name, _drawn(groups, axis)) for name, axis in _AXES]
    known = [(name, lines) for name, lines in drawn if lines]
    if not known:
        return join("")
    expert = expert_return(groups)
    values = [v for _, lines in known for _, curve in lines for v in (*curve.low, *curve.high)]
    y = Scale.around([*values, *([] if expert is None else [expert])], margin=0.06)
    (name, lines), *others = known
    broad = _chart(lines, name, y, expert, 960, 400)
    small = [_chart(lines, name, y, expert, 480, 300) for name, lines in others]
    first = element(
        "figure",
        element("figcaption", f"Return against {name}"),
        element("div", broad, class_="scroll wide"),
        class_="card",
    )
    rest = [
        element("figure", element("figcaption", f"Return against {name}"), svg, class_="card")
        for (name, _), svg in zip(others, small, strict=True)
    ]
    return join(first, element("div", *rest, class_="charts pairs") if rest else "")


def _drawn(groups: Sequence[Group], axis: Callable[[Evaluation], float]) -> list[_Drawn]:
    curves = [(group, learning_curve(group, axis)) for group in groups]
    return [(group, curve) for group, curve in curves if curve is not None]


def _chart(
    lines: Sequence[_Drawn], x_name: str, y: Scale, expert: float | None, width: int, height: int
) -> Markup:
    x = Scale(0.0, max(curve.x[-1] for _, curve in lines) or 1.0)
    plane = Plane(x, y, width, height, left=56)
    has_names = len(lines) > 1 and width > 600
    if has_names:
        plane.right = 24.0 + 6.8 * max(len(group.method) for group, _ in lines)
    plane.axes(x.ticks(8 if width > 600 else 5), y.ticks(6), x_name, Writer())
    if expert is not None:
        _, level = plane.at((0.0, expert))
        plane.rule((plane.left, level), (plane.width - plane.right, level), "reference")
        plane.text((plane.left + 4, level - 5), f"expert {score(expert)}", "start", "note")
    for group, curve in lines:
        low, high = (list(zip(curve.x, ends, strict=True)) for ends in (curve.low, curve.high))
        plane.band(low, high, group.style)
    for group, curve in lines:
        few = len(curve.x) <= 30
        points = list(zip(curve.x, curve.score, strict=True))
        plane.line(points, group.style if few else f"{group.style} thin")
    if has_names:
        _name_ends(plane, lines)
    return plane.svg(f"Return against {x_name}: {', '.join(group.method for group, _ in lines)}")


def _name_ends(plane: Plane, lines: Sequence[_Drawn]) -> None:
    """The methods' names beside the ends of their lines."""
    ends = [plane.at((curve.x[-1], curve.score[-1])) for _, curve in lines]
    heights = apart([y for _, y in ends], _LINE, plane.top, plane.height - plane.bottom)
    left = plane.width - plane.right + 6
    for (group, _), height in zip(lines, heights, strict=True):
        plane.text((left, height + 4), group.method, "start", f"label {group.style}")


def apart(places: Sequence[float], gap: float, first: float, last: float) -> list[float]:
    """Heights nearest to the given ones from the top down, with room for a line each.

    Args:
        places: heights in pixels, downwards.
        gap: least distance between two labels.
        first: smallest height.
        last: greatest height, where there is room for all.
    """
    result = list(places)
    order = sorted(range(len(places)), key=lambda i: places[i])
    least = first
    for i in order:
        result[i] = least = max(places[i], least)
        least += gap
    most = last
    for i in reversed(order):
        result[i] = min(result[i], most)
        most = result[i] - gap
    return result


def metric_chart(groups: Sequence[Group], name: str, title: str, meaning: str = "") -> Markup:
    """A training metric of every group; nothing where none has logged it."""
    found = [(group, metric_curve(group, name)) for group in groups]
    known = [(group, *curve) for group, curve in found if curve is not None]
    if not known:
        return join("")
    x_name = known[0][2]
    lines = [(group, curve) for group, curve, axis in known if axis == x_name]
    x = Scale(0.0, max(curve.x[-1] for _, curve in lines) or 1.0)
    y = Scale.around([v for _, c in lines for v in (*c.low, *c.high)], margin=0.06)
    plane = Plane(x, y, 480, 220, left=56)
    plane.axes(x.ticks(5), y.ticks(4), x_name, Writer())
    for group, curve in lines:
        low, high = (list(zip(curve.x, ends, strict=True)) for ends in (curve.low, curve.high))
        plane.band(low, high, group.style)
    for group, curve in lines:
        plane.line(list(zip(curve.x, curve.score, strict=True)), f"{group.style} thin")
    note = element("p", meaning, class_="note") if meaning else ""
    caption = element("figcaption", title)
    return element("figure", caption, plane.svg(f"{title} against {x_name}"), note, class_="card")
