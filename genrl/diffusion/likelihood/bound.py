"""The terms of the variational bound of a diffusion model, in nats for each entry of the data.

-log p(x) <= KL(q(z_1 | x) || p(z_1))  +  diffusion  +  E[-log p(x | z_0)]

The first term is the prior's, the last the decoder's. The diffusion between λ_1 (noise) and λ_0
(data) costs ½ ∫ E||ε - ε̂||² dλ in continuous time, whatever the schedule does on the way, and

    Σ ½ (SNR_s - SNR_t) E||x - x̂(z_t)||²

over the steps t -> s of a grid. Kingma et al. 2021, equations 11 to 18.
"""

from torch import Tensor

from genrl.diffusion.likelihood.decoders import gaussian_log_prob, level_log_prob
from genrl.diffusion.schedules.base import NoiseLevel
from genrl.typing import Batch, Data


def prior_variance(level: NoiseLevel) -> Tensor:
    """Variance of p(z_1), that of z_1 for data of unit variance: α² + σ², 1 if it is preserved."""
    return level.alpha.square() + level.sigma.square()


def prior_nats(x: Data, level: NoiseLevel) -> Batch:
    """KL(N(α x, σ²) || N(0, α² + σ²)) at the noisy end, the mean over the entries of an example.

    Args:
        x: clean data.
        level: of t = 1, broadcastable against x.
    """
    whole = prior_variance(level)
    noise = level.sigma.square() / whole
    nats = 0.5 * (level.alpha.square() * x.square() / whole + noise - 1 - noise.log())
    return nats.flatten(1).mean(dim=1)


def decoder_nats(x: Data, z: Data, level: NoiseLevel, num_levels: int | None) -> Batch:
    """-log p(x | z), the mean over the entries of an example.

    Args:
        x: clean data.
        z: noisy data at the clean end.
        level: of z.
        num_levels: number of values that x may take (`level_log_prob`); None for real numbers,
            which are N(z/α, 1/SNR).
    """
    if num_levels is not None:
        nats = -level_log_prob(x, z, level, num_levels)
    else:
        nats = -gaussian_log_prob(x, z / level.alpha, level.sigma / level.alpha)
    return nats.flatten(1).mean(dim=1)
