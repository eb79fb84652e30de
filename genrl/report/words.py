"""Names and one-sentence explanations of what is measured, and numbers as a person writes them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """A column of a table.

    Args:
        key: in ``summary.json``.
        head: over the column.
        meaning: one sentence for somebody who has not met it.
        style: how its numbers are written: plain, count, ratio, percent or seconds.
    """

    key: str
    head: str
    meaning: str
    style: str = "plain"


QUALITY = (
    Metric(
        "frechet",
        "Fréchet distance",
        "How far the distribution of the samples is from that of the training data, as a feature "
        "network sees both; lower is better, 0 is perfect (with Inception features this is FID).",
    ),
    Metric(
        "frechet_ratio",
        "relative to reference",
        "Fréchet distance divided by the reference's at the same guidance weight: 1× is as good, "
        "2× twice as far from the data.",
        "ratio",
    ),
    Metric(
        "frechet_held_out",
        "to held-out data",
        "Fréchet distance to data that training never saw; if it grows while the one to the "
        "training data falls, the model copies.",
    ),
    Metric(
        "precision",
        "precision",
        "Fraction of samples that are as near to a training example as its own neighbours are: are "
        "the samples plausible?",
    ),
    Metric(
        "recall",
        "recall",
        "Fraction of training examples that are as near to a sample as its own neighbours are: it "
        "falls when kinds of examples are left out.",
    ),
    Metric(
        "accuracy",
        "class accuracy",
        "Fraction of samples in which a classifier sees the class that was asked for.",
        "percent",
    ),
    Metric(
        "paired_rmse",
        "paired RMSE",
        "Root mean squared difference per pixel from what the reference makes of the same noise "
        "(pixels lie between -1 and 1); 0 would be the same image.",
    ),
)
COST = (
    Metric(
        "network_evaluations",
        "network evaluations",
        "How often the network runs for one image; guidance runs it twice in each step unless it "
        "was distilled into the network.",
        "count",
    ),
    Metric(
        "seconds_per_image",
        "time per image",
        "Wall-clock time of one image in a batch, on the machine of this run.",
        "seconds",
    ),
)
NEAREST = Metric(
    "nearest_distance",
    "distance to nearest training example",
    "Euclidean distance from a sample to the training example nearest to it, averaged over the "
    "samples; near 0 means that the model has copied.",
)


def number(value: float | None, style: str = "plain") -> str:
    """A number at three significant digits; a dash where there is none."""
    if value is None:
        return "–"
    if style == "count":
        return f"{value:,.10g}"
    if style == "ratio":
        return f"{significant(value)}×"
    if style == "percent":
        return f"{100 * value:.1f} %"
    if style == "seconds":
        unit, scale = (
            ("s", 1.0)
            if value >= 1
            else ("ms", 1e3)
            if value >= 1e-3 or value == 0
            else ("µs", 1e6)
        )
        return f"{significant(value * scale)} {unit}"
    return significant(value)


def significant(value: float) -> str:
    """Three significant digits or all before the point; an exponent below 1e-4 and from 1e9."""
    if value == 0:
        return "0"
    exponent = int(f"{abs(value):.2e}".split("e")[1])  # of the rounded number: 9.999 is 10.0
    if not -4 <= exponent < 9:
        return f"{value:.2e}"
    return f"{value:,.{max(0, 2 - exponent)}f}"


def weight(w: float | None) -> str:
    """A guidance weight as a person says it."""
    return "without guidance weight" if w is None else f"w\u00a0=\u00a0{w:g}"


def steps(count: int) -> str:
    """1 step, 2 steps."""
    return f"{count} step" if count == 1 else f"{count} steps"
