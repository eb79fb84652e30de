"""What the numbers of a run say: the reference, the ladder beside it, the headline."""

from dataclasses import dataclass

from genrl.report.reading import Row, Run, as_number, is_without_evaluation
from genrl.report.words import number, steps, weight

_AS_GOOD = 1.1  # a Fréchet distance larger by a tenth counts as good in the headline


@dataclass(frozen=True)
class Curve:
    """Fréchet distance against the number of steps.

    Args:
        label: whose.
        is_distilled: whether it joins students, each at its own number of steps.
        points: (steps, Fréchet distance), fewest steps first.
    """

    label: str
    is_distilled: bool
    points: list[tuple[float, float]]


def weights(runs: list[Run]) -> list[float | None]:
    """Guidance weights in rising order, no weight first."""
    found = {row.w for run in runs for row in run.rows}
    return sorted(found, key=lambda w: (w is not None, w))


def reference(run: Run, w: float | None) -> Row | None:
    """What everything at this weight is compared with: the summary says, or the most steps do."""
    stage, count = run.nested("reference", "stage"), run.nested("reference", "num_steps")
    if stage is None and run.rows:
        longest = max(run.rows, key=lambda row: row.num_steps)
        stage, count = longest.stage, longest.num_steps
    rows = [r for r in run.rows if (r.w, r.stage) == (w, stage) and count in (None, r.num_steps)]
    return max(rows, key=lambda row: row.num_steps, default=None)


def ratio(run: Run, row: Row) -> float | None:
    """Fréchet distance relative to the reference's at the same weight."""
    if row["frechet_ratio"] is not None:
        return row["frechet_ratio"]
    base = reference(run, row.w)
    return _divided(row["frechet"], base["frechet"] if base is not None else None)


def savings(run: Run, row: Row, metric: str) -> float | None:
    """How many times cheaper than the reference."""
    base = reference(run, row.w)
    return _divided(base[metric] if base is not None else None, row[metric])


def curves(run: Run, w: float | None) -> list[Curve]:
    """The students as one curve, a stage measured at several numbers of steps as its own."""
    base = reference(run, w)
    groups: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for row in run.rows:
        if row.w == w and row["frechet"] is not None and row.num_steps > 0:
            point = (float(row.num_steps), row["frechet"])
            groups.setdefault((row.stage, row.sampler), []).append(point)
    own, students = [], []
    for (stage, sampler), points in groups.items():
        if len(points) > 1 or (base is not None and stage == base.stage):
            is_ambiguous = sum(other == stage for other, _ in groups) > 1
            label = f"{stage} ({sampler})" if is_ambiguous else stage
            own.append(Curve(label, False, sorted(points)))
        else:
            students += points
    return [Curve("distilled", True, sorted(students)), *own] if students else own


def main_weight(run: Run) -> float | None:
    """The weight at which the reference is nearest to the data."""
    found = [reference(run, w) for w in weights([run])]
    best = [row for row in found if row is not None and row["frechet"] is not None]
    if not best:
        return weights([run])[0] if run.rows else None
    return min(best, key=lambda row: row["frechet"] or 0.0).w


def best_student(run: Run, w: float | None) -> Row | None:
    """The student of the fewest steps about as good as the reference, else as the best student."""
    base = reference(run, w)
    if base is None:
        return None
    students = [
        (value, row)
        for row in run.rows
        if row.w == w and row.stage != base.stage and (value := ratio(run, row)) is not None
    ]
    if not students:
        return None
    best = min(value for value, _ in students)
    bar = _AS_GOOD if best <= _AS_GOOD else _AS_GOOD * best
    as_good = [row for value, row in students if value <= bar]
    return min(as_good, key=lambda row: row.num_steps)


def headline(run: Run) -> str:
    """A few sentences made of the numbers."""
    if not run.rows:
        if not run.metrics:
            return "Nothing has been trained or evaluated yet."
        stage, numbers = run.metrics[-1]
        done = f"{number(numbers['update'], 'count')} updates so far"
        if is_without_evaluation(run.config):
            return (
                f"Trained without evaluation (callback@evaluation=none): {done}, in stage "
                f"“{stage}”. To measure it: genrl evaluate {run.path}"
            )
        return f"Not evaluated yet: {done}, in stage “{stage}”."
    w = main_weight(run)
    base, student = reference(run, w), best_student(run, w)
    if base is None or base["frechet"] is None:
        return "The reference has not been evaluated, so nothing can be compared with it."
    if student is None:
        return (
            f"{base.stage}, {steps(base.num_steps)}: Fréchet distance {number(base['frechet'])} "
            f"at {weight(w)}. No student has been evaluated yet."
        )
    return f"{_sentence(run, student, base)}{_further(run, student)} {_scale(run, base)}"


def _sentence(run: Run, student: Row, base: Row) -> str:
    cost = ""
    if base["network_evaluations"] is not None and student["network_evaluations"] is not None:
        cost = (
            f" ({number(student['network_evaluations'], 'count')} instead of "
            f"{number(base['network_evaluations'], 'count')} network evaluations)"
        )
    cheaper = savings(run, student, "seconds_per_image")
    if cheaper is None:
        cheaper = savings(run, student, "network_evaluations")
    gain = "" if cheaper is None else f", {cheaper:.{0 if cheaper >= 10 else 1}f}× cheaper"
    return (
        f"{steps(student.num_steps)} instead of {base.num_steps}{cost}: Fréchet distance "
        f"{number(ratio(run, student), 'ratio')} the {base.stage}’s at {weight(student.w)}{gain}."
    )


def _further(run: Run, student: Row) -> str:
    """The last rung, where the headline is not about it."""
    base = reference(run, student.w)
    rungs = [
        row
        for row in run.rows
        if row.w == student.w
        and base is not None
        and row.stage != base.stage
        and row.num_steps < student.num_steps
        and ratio(run, row) is not None
    ]
    if not rungs:
        return ""
    last = min(rungs, key=lambda row: row.num_steps)
    return f" With {steps(last.num_steps)}: {number(ratio(run, last), 'ratio')}."


def _scale(run: Run, base: Row) -> str:
    """Absolute numbers: a ratio alone would flatter the students of a bad reference."""
    floor = as_number(run.nested("baselines", "train_vs_held_out_frechet"))
    attainable = "" if floor is None else f"; held-out data: {number(floor)}"
    return f"(The {base.stage}’s own distance: {number(base['frechet'])}{attainable}.)"


def _divided(a: float | None, b: float | None) -> float | None:
    return None if a is None or not b else a / b
