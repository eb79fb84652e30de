"""The dynamic program over time grids, against trying all of them."""

import itertools
import math
import time

import pytest
import torch

from genrl.diffusion import CosineSchedule, GaussianMixtureDenoiser, NoiseSchedule
from genrl.diffusion.grid_search import best_grids
from genrl.diffusion.likelihood import GridTerms, grid_terms

F64 = torch.float64


def mixture_terms(num_times: int, schedule: NoiseSchedule) -> GridTerms:
    means = torch.tensor([[0.9, 0.2], [-0.5, 0.7], [0.1, -0.8]], dtype=F64)
    model = GaussianMixtureDenoiser(schedule, means, torch.tensor(0.2, dtype=F64))
    x = model.sample(512, torch.Generator().manual_seed(0))
    times = torch.arange(num_times, 0, -1, dtype=F64) / num_times
    return grid_terms(model, x, None, schedule, times, num_levels=None, seed=1)


@pytest.mark.parametrize("is_random", [False, True])
def test_equals_trying_every_grid(is_random: bool) -> None:
    """T = 14 and every K: all 8192 grids that begin at the noisy end."""
    if is_random:
        generator = torch.Generator().manual_seed(0)
        steps = torch.rand(14, 14, generator=generator, dtype=F64)
        last = torch.rand(14, generator=generator, dtype=F64)
    else:
        terms = mixture_terms(14, CosineSchedule(log_snr_max=12.0))
        steps, last = terms.step_costs(), terms.decoder.mean(dim=1)
    found = best_grids(steps, last, range(1, 15))
    table, ends = steps.tolist(), last.tolist()
    for count in range(1, 15):
        best = math.inf, ()
        for chosen in itertools.combinations(range(1, 14), count - 1):
            path = (0, *chosen)
            cost = 0.0
            for i, j in itertools.pairwise(path):
                cost += table[i][j]
            best = min(best, (cost + ends[path[-1]], path))
        assert found[count] == (list(best[1]), best[0])


def test_all_times_are_the_whole_bound() -> None:
    terms = mixture_terms(50, CosineSchedule(log_snr_max=12.0))
    path, cost = best_grids(terms.step_costs(), terms.decoder.mean(dim=1), [50])[50]
    assert path == list(range(50))
    assert cost + terms.prior.mean().item() == pytest.approx(terms.nats().mean().item(), rel=1e-12)


def test_more_evaluations_are_never_worse_for_an_exact_model() -> None:
    terms = mixture_terms(50, CosineSchedule(log_snr_max=12.0))
    found = best_grids(terms.step_costs(), terms.decoder.mean(dim=1), range(1, 40))
    costs = torch.tensor([cost for _, cost in found.values()])
    assert (costs.diff() < 1e-3).all()
    uniform = terms.nats([0, 10, 20, 30, 40]).mean() - terms.prior.mean()
    assert found[5][1] < uniform - 0.2


def test_a_thousand_times_take_seconds() -> None:
    generator = torch.Generator().manual_seed(0)
    steps = torch.rand(1000, 1000, generator=generator, dtype=F64)
    begin = time.process_time()
    found = best_grids(steps, torch.zeros(1000, dtype=F64), [4, 8, 16, 32])
    assert time.process_time() - begin < 10
    assert [len(path) for path, _ in found.values()] == [4, 8, 16, 32]


@pytest.mark.parametrize("count", [0, 4])
def test_grids_that_do_not_exist_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match="no part of 3 times"):
        best_grids(torch.zeros(3, 3, dtype=F64), torch.zeros(3, dtype=F64), [count])
