"""The pictures of a run inside the page: the ladder open, what it is compared with folded."""

import base64
from collections.abc import Sequence

from genrl.report.findings import best_student, main_weight, reference
from genrl.report.markup import Markup, element, folded, join
from genrl.report.reading import Picture, Run
from genrl.report.words import weight

NONE_YET = "Not there yet: it is written when the first stage ends."


def ladder_pictures(runs: Sequence[Run], labels: Sequence[str]) -> Markup:
    """Pictures of the reference and the students, by weight; the main weight first."""
    return _beside(runs, labels, [_ladder(run) for run in runs])


def nearest_pictures(runs: Sequence[Run], labels: Sequence[str]) -> Markup:
    """Samples and their nearest training examples: of the student that the headline is about."""
    return _beside(runs, labels, [_nearest(run) for run in runs])


def _ladder(run: Run) -> Markup:
    by_weight: dict[float | None, list[Picture]] = {}
    for picture in run.pictures:
        if picture.kind != "nearest":
            by_weight.setdefault(picture.w, []).append(picture)
    if not by_weight:
        return element("p", NONE_YET)
    main = main_weight(run)
    order = sorted(by_weight, key=lambda w: (w is not None, w != main, w))
    parts = []
    for index, w in enumerate(order):
        body = _ladder_at(run, by_weight[w])
        if w is None:
            parts.append(body)
        elif index == 0 or w == main:
            parts.append(join(element("h4", weight(w)), body))
        else:
            parts.append(folded(weight(w), body))
    return join(*parts)


def _ladder_at(run: Run, pictures: list[Picture]) -> Markup:
    """The ladder itself, and folded the reference's own sampler at fewer steps."""
    base = reference(run, main_weight(run))
    own = [
        picture
        for picture in pictures
        if base is not None
        and picture.stage == base.stage
        and picture.num_steps not in (None, base.num_steps)
    ]
    parts = [_figures([picture for picture in pictures if picture not in own])]
    if base is not None and own:
        parts.append(folded(f"For comparison: {base.stage} at fewer steps", _figures(own)))
    return join(*parts)


def _nearest(run: Run) -> Markup:
    pictures = [picture for picture in run.pictures if picture.kind == "nearest"]
    if not pictures:
        return element("p", NONE_YET)
    student = best_student(run, main_weight(run))
    shown = [
        picture
        for picture in pictures
        if student is not None
        and (picture.stage, picture.num_steps) == (student.stage, student.num_steps)
    ] or pictures[-1:]
    others = [picture for picture in pictures if picture not in shown]
    return join(_figures(shown), folded("other stages", _figures(others)) if others else "")


def _figures(pictures: Sequence[Picture]) -> Markup:
    """Upright pictures form a row (the same seeds side by side), broad ones a pile."""
    sizes = [_size(picture.png) for picture in pictures if picture.png is not None]
    is_upright = bool(sizes) and all(height > width for width, height in sizes)
    style = "pictures upright" if is_upright else "pictures"
    return element("div", *(_figure(picture) for picture in pictures), class_=style)


def _size(png: bytes) -> tuple[int, int]:
    """Width and height, from the header of a PNG."""
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


def _figure(picture: Picture) -> Markup:
    caption = element("figcaption", picture.caption)
    if picture.png is None:
        return element("figure", caption, element("p", "The file is missing."))
    source = f"data:image/png;base64,{base64.b64encode(picture.png).decode()}"
    return element("figure", caption, element("img", src=source, alt=picture.caption))


def _beside(runs: Sequence[Run], labels: Sequence[str], parts: Sequence[Markup]) -> Markup:
    if len(runs) == 1:
        return element("div", *parts)
    marks = [element("b", label, class_=f"swatch s{i % 6}") for i, label in enumerate(labels)]
    return join(
        *(
            element("div", element("h3", mark, " ", run.name), part)
            for run, mark, part in zip(runs, marks, parts, strict=True)
        )
    )
