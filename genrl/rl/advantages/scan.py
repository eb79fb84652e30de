"""Backward linear recurrences without a loop over time.

A_t = a_t + c_t A_{t+1} composes the affine maps x -> a_t + c_t x. Composition is associative:
runs of 1, 2, 4, ... maps follow from one another, log₂ T operations on whole tensors in place of
T on rows (Hillis & Steele 1986, Data Parallel Algorithms).
"""

from torch import Tensor


def backward_scan(inputs: Tensor, factors: Tensor, window: int | None = None) -> Tensor:
    """A_t = a_t + c_t A_{t+1} along the first dimension, with nothing after the last row.

    Args:
        inputs: a, (time, ...).
        factors: c, of the same shape.
        window: rows that a result sums over, a_t + c_t a_{t+1} + ... + c_t⋯c_{t+w-2} a_{t+w-1};
            all that follow where None.
    """
    length = len(inputs)
    # All that follow: any window that reaches the end; of a power of two nothing is joined twice.
    window = 1 << (length - 1).bit_length() if window is None else min(window, length)
    total, product, reach = None, None, 0
    run, factor, span = inputs, factors, 1
    while True:
        if window & span:
            if total is None or product is None:
                total, product = run, factor
            else:
                total, product = _join(total, product, run, factor, reach)
            reach += span
        if reach >= window:
            assert total is not None
            return total
        run, factor = _join(run, factor, run, factor, span)
        span *= 2


def _join(
    total: Tensor, product: Tensor, run: Tensor, factor: Tensor, distance: int
) -> tuple[Tensor, Tensor]:
    """The maps of each row, then those of the row ``distance`` later.

    Products that reach beyond the end are left as they are: nothing is there to be multiplied.
    """
    kept = len(total) - distance
    joined, joint = total.clone(), product.clone()
    joined[:kept].addcmul_(product[:kept], run[distance:])
    joint[:kept].mul_(factor[distance:])
    return joined, joint
