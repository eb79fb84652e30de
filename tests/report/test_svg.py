import pytest

from genrl.report.markup import Markup, element, join
from genrl.report.svg import Plane, Scale, Writer, stacked


def test_scales() -> None:
    log = Scale(1, 100, True)
    assert [log(v) for v in (1, 10, 100)] == pytest.approx([0, 0.5, 1])
    assert [Scale(2, 6)(v) for v in (2, 3, 6)] == [0, 0.25, 1]
    around = Scale.around([3.0, 0.0, 30.0, -1.0], is_log=True, margin=0.1)
    assert around.low < 3 < 30 < around.high
    assert around.low == pytest.approx(3 / 10**0.1)
    assert [Scale.around([v])(v) for v in (5.0, 0.0, -2.0)] == [0.5] * 3
    assert Scale.around([], is_log=True).high > 0


@pytest.mark.parametrize(
    ("scale", "most", "ticks"),
    [
        (Scale(1, 1000, True), 6, [1, 10, 100, 1000]),
        (Scale(4, 70, True), 5, [5, 10, 20, 50]),
        (Scale(6.1, 6.9, True), 5, [6.2, 6.4, 6.6, 6.8]),
        (Scale(0, 8000), 8, [1000 * i for i in range(9)]),
        (Scale(0, 1), 5, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (Scale(1e-7, 1e3, True), 4, [1e-7, 1e-4, 1e-1, 1e2]),
        (Scale(6.1e-14, 6.9e-14, True), 5, [6.2e-14, 6.4e-14, 6.6e-14, 6.8e-14]),
        (Scale(1.9999e9, 2.0001e9), 5, [1.9999e9, 1.99995e9, 2e9, 2.00005e9, 2.0001e9]),
    ],
)
def test_ticks_are_round_and_few(scale: Scale, most: int, ticks: list[float]) -> None:
    assert scale.ticks(most) == pytest.approx(ticks, abs=0)


def test_points_lie_where_the_axes_say() -> None:
    plane = Plane(Scale(0, 10), Scale(1, 100, True), 200, 100, left=40, top=10)
    right, floor = 200 - plane.right, 100 - plane.bottom
    assert plane.at((0, 1)) == (40, floor)
    assert plane.at((10, 100)) == pytest.approx((right, 10))
    assert plane.at((5, 10)) == pytest.approx(((40 + right) / 2, (floor + 10) / 2))


def test_lines_leave_out_what_a_logarithm_cannot_show() -> None:
    plane = Plane(Scale(0, 10), Scale(1, 100, True), 200, 100)
    plane.line([(0, 1), (5, 0), (10, 100)], "s0", has_marks=True)
    svg = plane.svg("a < b")
    assert svg.count("<circle") == 2
    assert svg.count("L") == 1
    assert "<title>a &lt; b</title>" in svg


def test_labels_are_stacked_above_the_highest_of_a_group() -> None:
    assert stacked([100.0], 14) == [100]
    assert stacked([100.0, 50.0], 14) == [100, 50]
    assert stacked([100.0, 95.0, 20.0], 14) == [95, 81, 20]
    assert stacked([], 14) == []


def test_numbers_on_axes() -> None:
    assert [Writer()(v) for v in (0, 0.01, 500, 20000, 1e-5)] == ["0", "0.01", "500", "20k", "1e-5"]


def test_markup_escapes_everything_else() -> None:
    assert element("p", "<b>&", Markup("<i></i>")) == "<p>&lt;b&gt;&amp;<i></i></p>"
    assert element("td", title='"><x', colspan=2, class_="a", hidden=None, open=True) == (
        '<td title="&quot;&gt;&lt;x" colspan="2" class="a" open></td>'
    )
    assert element("img", src="x") == '<img src="x">'
    assert element("p", "a\ud800<", title="\udc00") == '<p title="?">a?&lt;</p>'
    assert join("<", element("br")) == "&lt;<br>"
