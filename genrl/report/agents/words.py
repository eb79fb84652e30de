"""What the metrics of an agent's training mean, and how scores are written."""

from genrl.evaluation.statistics import Summary
from genrl.report.words import Metric, significant

REWARD = (
    Metric(
        "reward_correlation",
        "reward correlation",
        "Pearson's correlation of the learned reward with the true one over fresh steps: 1 is the "
        "same reward up to scale and shift, near 0 says nothing about the task.",
    ),
    Metric(
        "learned_reward",
        "learned reward",
        "Mean learned reward of a fresh step; its sign alone can teach an agent to live or to die.",
    ),
    Metric(
        "learned_return",
        "learned return",
        "Mean over the last episodes of the sum of learned rewards.",
    ),
    Metric(
        "control_return",
        "return of the constant control",
        "What a reward of 1 for every step would have paid in the same episodes: their length.",
    ),
    Metric(
        "length_correlation",
        "correlation with length",
        "Correlation of an episode's learned return with its length: near 1 the reward may pay for "
        "staying alive and little else (horizon leakage).",
    ),
)
TRAINING = {
    "episode_return": "Return of the episodes that ended during training, exploration included.",
    "episode_length": "Steps of the episodes that ended during training.",
    "loss": "The loss that is minimized.",
    "policy_loss": "The policy's part of the loss.",
    "value_loss": "Squared error of the critic.",
    "critic_loss": "Squared error of the critic.",
    "entropy": "Entropy of the policy: it falls as the policy commits itself.",
    "kl": "Kullback-Leibler divergence of the policy before an update from that after it.",
    "clip_fraction": "Part of the samples whose probability ratio was clipped.",
    "explained_variance": "Part of the variance of the returns that the critic explains; 1 is all.",
    "gradient_norm": "Norm of the gradient before clipping.",
    "temperature": "Weight of the entropy.",
}


def score(value: float) -> str:
    """A return at four significant digits."""
    return f"{value:,.0f}" if abs(value) >= 1000 else significant_at(value, 4)


def significant_at(value: float, digits: int) -> str:
    """A number of any sign at so many significant digits; ``significant`` where it is extreme."""
    if value == 0 or not 1e-3 <= abs(value) < 1e9:
        return significant(value)
    exponent = int(f"{abs(value):.{digits - 1}e}".split("e")[1])
    return f"{value:,.{max(0, digits - 1 - exponent)}f}"


def interval(summary: Summary) -> str:
    """The interval, or a dash."""
    if summary.interval is None:
        return "–"
    return f"[{score(summary.interval.low)}, {score(summary.interval.high)}]"


def counted(count: int, noun: str) -> str:
    """1 seed, 2 seeds."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def duration(seconds: float) -> str:
    """3.2 s, 5 min, 2.4 h."""
    if seconds < 60:
        return f"{significant_at(seconds, 2)} s"
    minutes = seconds / 60
    return f"{significant_at(minutes, 2)} min" if minutes < 60 else f"{minutes / 60:.1f} h"
