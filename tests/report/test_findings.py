"""Which numbers the headline is made of."""

from pathlib import Path
from typing import Any

import pytest

from genrl.report.findings import best_student, curves, headline, main_weight, reference
from genrl.report.reading import Row, Run


def run(*rows: tuple[str, int, float | None, float | None], **summary: Any) -> Run:
    """A run of (stage, steps, w, Fréchet distance)."""
    made = [
        Row(stage, steps, "ddim", w, {"frechet": f, "network_evaluations": float(steps)})
        for stage, steps, w, f in rows
    ]
    return Run(Path("run"), {}, {}, [], [], summary, made)


LADDER = (
    ("teacher", 64, 1.0, 10.0),
    ("teacher", 4, 1.0, 80.0),
    ("8", 8, 1.0, 10.1),
    ("4", 4, 1.0, 10.9),
    ("2", 2, 1.0, 11.1),
    ("1", 1, 1.0, 20.0),
)


def test_fewest_steps_within_a_tenth_of_the_reference() -> None:
    student = best_student(run(*LADDER), 1.0)
    assert student is not None
    assert student.stage == "4"


def test_worse_students_are_measured_by_the_best_of_them() -> None:
    rows = [(s, n, w, f and (f if s == "teacher" else 2 * f)) for s, n, w, f in LADDER]
    student = best_student(run(*rows), 1.0)
    assert student is not None
    assert student.stage == "2"  # 22.2 is within a tenth of 20.2


def test_better_students_do_not_tighten_the_bar() -> None:
    student = best_student(run(*LADDER, ("good", 16, 1.0, 5.0)), 1.0)
    assert student is not None
    assert student.stage == "4"


def test_reference_is_the_named_one_or_the_one_of_most_steps() -> None:
    assert reference(run(*LADDER), 1.0) == run(*LADDER).rows[0]
    named = run(*LADDER, reference={"stage": "teacher", "num_steps": 4})
    assert reference(named, 1.0) == named.rows[1]
    assert reference(run(*LADDER, reference={"stage": "other", "num_steps": 4}), 1.0) is None


def test_main_weight_is_where_the_reference_is_best() -> None:
    assert main_weight(run(*LADDER, ("teacher", 64, 0.0, 9.0), ("1", 1, 3.0, 1.0))) == 0.0
    assert main_weight(run(("teacher", 64, None, 9.0))) is None


def test_students_make_one_curve_and_samplers_one_each() -> None:
    found = curves(run(*LADDER), 1.0)
    assert [(c.label, c.is_distilled, c.points) for c in found] == [
        ("distilled", True, [(1, 20.0), (2, 11.1), (4, 10.9), (8, 10.1)]),
        ("teacher", False, [(4, 80.0), (64, 10.0)]),
    ]


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        (LADDER, "4 steps instead of 64 (4 instead of 64 network evaluations): "),
        (LADDER, "1.09× the teacher’s at w\u00a0=\u00a01, 16× cheaper. With 1 step: 2.00×."),
        (LADDER[:1], "No student has been evaluated yet."),
        ((), "Nothing has been trained or evaluated yet."),
        ((("teacher", 64, 1.0, None), ("1", 1, 1.0, 3.0)), "The reference has not been evaluated"),
    ],
)
def test_headline(rows: tuple[Any, ...], text: str) -> None:
    assert text in headline(run(*rows))


def test_headline_of_what_is_not_measured_by_choice_and_not_yet() -> None:
    metrics = [("teacher", {"update": 400.0})]
    for name, text in (
        ("none", "Trained without evaluation (callback@evaluation=none): 400 updates so far"),
        ("image_evaluation", "Not evaluated yet: 400 updates so far, in stage “teacher”."),
    ):
        config = {"evaluation": {"name": name}}
        assert text in headline(Run(Path("run"), config, {}, metrics, [], {}, []))
