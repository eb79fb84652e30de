"""The time grid of K evaluations that has the best variational bound, found exactly.

The bound of a grid is a sum over its steps, so that the best grid of k evaluations that ends at j
is the best one of k - 1 that ends at some i < j, and a step:

    C_1(0) = 0,   C_k(j) = min_{i < j} C_{k-1}(i) + L(i, j),   best_k = min_j C_k(j) + D(j)

L(i, j) is the cost of a step from the i-th of T times to the j-th, D(j) that of decoding x from the
prediction there. Both follow from one evaluation at each of the T times; the search itself takes
O(K T²) additions and no network. Watson et al. 2021, Learning to Efficiently Sample from Diffusion
Probabilistic Models.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float64
from torch import Tensor


def best_grids(
    step_costs: Float64[Tensor, "times times"],
    last_costs: Float64[Tensor, " times"],
    counts: Sequence[int],
) -> dict[int, tuple[list[int], float]]:
    """For each number of evaluations the best grid and its cost.

    Args:
        step_costs: L, used above the diagonal.
        last_costs: D.
        counts: numbers of evaluations, each in [1, T].

    Returns:
        Number -> (indices of the times, the first of them 0; cost).

    Raises:
        ValueError: if a number is out of range.
    """
    num_times = len(last_costs)
    for count in counts:
        if not 1 <= count <= num_times:
            raise ValueError(f"a grid of {count} evaluations is no part of {num_times} times")
    is_step = torch.ones_like(step_costs).triu(1).bool()
    costs = torch.where(is_step, step_costs, torch.inf)
    total = torch.full_like(last_costs, torch.inf)
    total[0] = 0.0
    before: list[Tensor] = []
    found: dict[int, tuple[list[int], float]] = {}
    for count in range(1, max(counts, default=0) + 1):
        if count > 1:
            total, best = (total[:, None] + costs).min(dim=0)
            before.append(best)
        if count in counts:
            whole = total + last_costs
            index = int(whole.argmin())
            cost = whole[index].item()
            path = [index]
            for best in reversed(before):
                path.append(int(best[path[-1]]))
            found[count] = (path[::-1], cost)
    return found
