"""The kernel distance (KID): an unbiased estimate of the squared maximum mean discrepancy.

MMD² = mean_{i≠j} k(f_i, f_j) + mean_{i≠j} k(g_i, g_j) - 2 mean_{ij} k(f_i, g_j),
k(f, g) = (f·g / d + 1)³

Unlike the Fréchet distance it is unbiased on few samples, so that its gradient can train.
Bińkowski et al. 2018, Demystifying MMD GANs.
"""

from jaxtyping import Float
from torch import Tensor


def kernel_distance(
    samples: Float[Tensor, "samples dims"], real: Float[Tensor, "real dims"]
) -> Float[Tensor, ""]:
    """The estimate; it may be negative, and is differentiable.

    Raises:
        ValueError: if there are fewer than two samples or real examples, or their sizes differ.
    """
    if min(len(samples), len(real)) < 2 or samples.shape[1] != real.shape[1]:
        raise ValueError(
            "a kernel distance needs at least two samples and two real examples of one size, not "
            f"{tuple(samples.shape)} and {tuple(real.shape)}"
        )
    between = _kernel(samples, real).mean()
    return _within(samples) + _within(real) - 2 * between


def _kernel(a: Tensor, b: Tensor) -> Tensor:
    kernel: Tensor = (a @ b.T / a.shape[1] + 1) ** 3
    return kernel


def _within(a: Tensor) -> Tensor:
    kernel = _kernel(a, a)
    count = len(a)
    return (kernel.sum() - kernel.diagonal().sum()) / (count * (count - 1))
