"""What a discriminator pays: a reward for a logit, in three signs.

With d the logit of "this is the expert's" and σ the sigmoid:

- positive: -log(1 - σ(d)) = softplus(d) ≥ 0. Living longer always pays: it suits tasks that end in
  failure, and lengthens episodes even where it has learned nothing.
- negative: log σ(d) = -softplus(-d) ≤ 0. Ending early always pays: for tasks that end in success.
- unbiased: d = log σ(d) - log(1 - σ(d)). An uninformative discriminator pays nothing.

softplus is exact where the logarithm of a rounded 1 - σ(d) is -∞ (d > 17 in fp32).
Ho & Ermon 2016 (positive); Fu, Luo & Levine 2018 (unbiased); Kostrikov et al. 2019 on the bias.
"""

import torch
from torch import Tensor
from torch.nn.functional import softplus

from genrl.imitation.losses.base import Sign


def reward_of_logit(logit: Tensor, sign: Sign) -> Tensor:
    """The reward for logits of any shape."""
    if sign == "positive":
        return softplus(logit)
    if sign == "negative":
        return -softplus(-logit)
    return logit


def uninformative_reward(sign: Sign) -> float:
    """What a discriminator pays that cannot tell the learner from the expert (d = 0)."""
    return float(reward_of_logit(torch.zeros((), dtype=torch.float64), sign))
