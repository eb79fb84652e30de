"""The variance-exploding schedule against the noise levels of EDM."""

import numpy as np
import pytest
import torch

from genrl.diffusion.schedules import EdmSchedule


def test_equal_steps_in_time_are_the_noise_levels_of_the_paper() -> None:
    i, n = np.arange(18), 18
    sigma = (80 ** (1 / 7) + i / (n - 1) * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7
    level = EdmSchedule().level(torch.from_numpy(1 - i / (n - 1)))
    np.testing.assert_allclose(level.sigma.numpy(), sigma, rtol=1e-12)
    assert (level.alpha == 1).all()


@pytest.mark.parametrize(
    "wrong", [{"sigma_min": 0.0}, {"sigma_min": 80.0}, {"sigma_max": 0.001}, {"rho": 0.0}]
)
def test_impossible_ranges_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"sigma_min < sigma_max|rho must be positive"):
        EdmSchedule(**wrong)
