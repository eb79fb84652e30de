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
        "uninformative_reward",
        "reward of ignorance",
        "What each step is paid where the learner cannot be told from the expert: above 0 longer "
        "episodes pay, below 0 shorter ones do.",
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
    """A return: whole from 1000, with a decimal from 10, else at three significant digits."""
    if abs(value) >= 999.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else significant(value)


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
        return f"{seconds:.1f} s"
    minutes = seconds / 60
    return f"{minutes:.1f} min" if minutes < 60 else f"{minutes / 60:.1f} h"
