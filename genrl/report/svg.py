"""Line charts as inline SVG; their colours are the style sheet's, for light and dark."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from genrl.report.markup import Markup, element, join

Point = tuple[float, float]


@dataclass(frozen=True)
class Scale:
    """Maps numbers to [0, 1].

    Args:
        low: goes to 0.
        high: goes to 1.
        is_log: whether by their logarithms.
    """

    low: float
    high: float
    is_log: bool = False

    @classmethod
    def around(
        cls, values: Iterable[float], *, is_log: bool = False, margin: float = 0.0
    ) -> "Scale":
        """From the least to the greatest value, and a part of that span beyond both."""
        values = [v for v in values if v > 0 or not is_log]
        low, high = (min(values), max(values)) if values else (1.0, 10.0)
        if is_log:
            span = max(math.log(high / low), 0.2)
            return cls(low * math.exp(-margin * span), high * math.exp(margin * span), True)
        if low == high:  # a constant in the middle of something
            low, high = low - 0.5 * abs(low or 1), high + 0.5 * abs(high or 1)
        span = high - low
        return cls(low - margin * span, high + margin * span)

    def __call__(self, value: float) -> float:
        if self.is_log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self, most: int = 6) -> list[float]:
        """Round numbers within the scale, at most so many."""
        if not self.is_log:
            return _linear_ticks(self.low, self.high, most)
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        for factors in ((1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
            ticks = [f * 10.0**e for e in range(first, last + 1) for f in factors]
            ticks = [tick for tick in ticks if self.low <= tick <= self.high]
            if len(ticks) <= most:
                # Within less than a decade there may be only one such number, or none.
                return ticks if len(ticks) > 1 else _linear_ticks(self.low, self.high, most)
        return ticks[:: math.ceil(len(ticks) / most)]


class Plane:
    """The drawing area of a chart, with its axes.

    Args:
        x: horizontal scale.
        y: vertical scale.
        width: of the whole chart in pixels.
        height: of the whole chart in pixels.
        left: margin for the labels of y.
        top: margin.
    """

    right, bottom = 16.0, 38.0

    def __init__(
        self,
        x: Scale,
        y: Scale,
        width: float,
        height: float,
        left: float = 46.0,
        top: float = 12.0,
    ) -> None:
        self.x, self.y, self.width, self.height = x, y, width, height
        self.left, self.top = left, top
        self._parts: list[Markup] = []

    def at(self, point: Point) -> Point:
        """Pixels of a point."""
        inner = self.width - self.left - self.right, self.height - self.top - self.bottom
        return (
            self.left + self.x(point[0]) * inner[0],
            self.height - self.bottom - self.y(point[1]) * inner[1],
        )

    def axes(
        self, x_ticks: Sequence[float], y_ticks: Sequence[float], x_name: str, write: "Writer"
    ) -> None:
        """Lines and numbers of both axes; the name of y belongs over the chart."""
        floor = self.height - self.bottom
        for tick in y_ticks:
            _, y = self.at((self.x.low, tick))
            self.rule((self.left, y), (self.width - self.right, y), "rule")
            self.text((self.left - 6, y + 4), write(tick), "end")
        for tick in x_ticks:
            x, _ = self.at((tick, self.y.low))
            self.text((x, floor + 16), write(tick), "middle")
        self.rule((self.left, floor), (self.width - self.right, floor), "axis")
        self.text(((self.left + self.width - self.right) / 2, floor + 32), x_name, "middle", "name")

    def line(self, points: Sequence[Point], style: str, *, has_marks: bool = False) -> None:
        """A line through the points that the scales can show."""
        pixels = [self.at(p) for p in points if p[1] > 0 or not self.y.is_log]
        if len(pixels) > 1:
            path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in pixels)
            self._parts.append(element("path", d=path, class_=f"line {style}"))
        if has_marks or len(pixels) == 1:
            for x, y in pixels:
                self._parts.append(element("circle", cx=x, cy=y, r=3.5, class_=f"mark {style}"))

    def band(self, low: Sequence[Point], high: Sequence[Point], style: str) -> None:
        """The area between two lines over the same horizontal places."""
        pixels = [self.at(p) for p in [*low, *reversed(high)]]
        if len(low) > 1:
            path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in pixels) + "Z"
            self._parts.append(element("path", d=path, class_=f"band {style}"))

    def rule(self, a: Point, b: Point, style: str) -> None:
        """A straight line between two places in pixels."""
        self._parts.append(element("line", x1=a[0], y1=a[1], x2=b[0], y2=b[1], class_=style))

    def text(self, place: Point, text: str, anchor: str = "start", style: str = "") -> None:
        """Text at a place in pixels."""
        x, y = place
        self._parts.append(
            element("text", text, x=x, y=y, text_anchor=anchor, class_=style or None)
        )

    def svg(self, description: str) -> Markup:
        """The finished chart."""
        return element(
            "svg",
            element("title", description),
            join(*self._parts),
            viewBox=f"0 0 {self.width:g} {self.height:g}",
            role="img",
        )


class Writer:
    """Writes the numbers of an axis: short, with k for thousands and M for millions."""

    def __call__(self, value: float) -> str:
        if abs(value) >= 1_000_000:
            return f"{value / 1_000_000:g}M"
        if abs(value) >= 10_000:
            return f"{value / 1000:g}k"
        if value and abs(value) < 1e-3:
            return f"{value:.0e}".replace("e-0", "e-")
        return f"{value:g}"


def stacked(places: Sequence[float], gap: float) -> list[float]:
    """Heights for labels of points: at their own, those of near points above the highest of them.

    Args:
        places: heights in pixels, downwards.
        gap: least distance between two labels.
    """
    order = sorted(range(len(places)), key=lambda i: places[i])
    groups = [order[:1]]
    for before, after in pairwise(order):
        if places[after] - places[before] < gap:
            groups[-1].append(after)
        else:
            groups.append([after])
    result = list(places)
    for group in groups:
        for level, i in enumerate(reversed(group)):
            result[i] = places[group[0]] - level * gap if group else 0.0
    return result


def _linear_ticks(low: float, high: float, most: int) -> list[float]:
    span = high - low
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(s * power for s in (1, 2, 5, 10, 20) if span / (s * power) <= most)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    digits = 12 - math.floor(math.log10(step))
    return [round(i * step, digits) for i in range(first, last + 1)]
