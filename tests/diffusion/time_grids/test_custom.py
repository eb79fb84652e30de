"""A grid that is given point by point."""

import pytest
import torch

from genrl.diffusion import CosineSchedule
from genrl.diffusion.time_grids import CustomTimeGrid, UniformTimeGrid

SCHEDULE = CosineSchedule()


def test_its_own_number_of_steps_gives_the_points_to_the_last_bit() -> None:
    points = (1.0, 0.7371, 0.31, 0.1 + 0.2e-15, 0.0)
    assert CustomTimeGrid(SCHEDULE, times=points).times(4).tolist() == list(points)


def test_other_numbers_of_steps_go_along_the_same_line() -> None:
    grid = CustomTimeGrid(SCHEDULE, times=(0.9, 0.3, 0.0))
    assert grid.times(1).tolist() == [0.9, 0.0]
    wanted = torch.tensor([0.9, 0.6, 0.3, 0.15, 0.0], dtype=torch.float64)
    torch.testing.assert_close(grid.times(4), wanted)


def test_two_points_are_the_uniform_grid() -> None:
    torch.testing.assert_close(
        CustomTimeGrid(SCHEDULE).times(7), UniformTimeGrid(SCHEDULE).times(7)
    )


@pytest.mark.parametrize(
    "times", [(), (1.0,), (1.2, 0.0), (0.5, 0.5, 0.0), (1.0, 0.4), (1.0, -0.1, 0.0), (0.0, 0.0)]
)
def test_what_is_no_grid_is_refused(times: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="must fall from at most 1 to 0"):
        CustomTimeGrid(SCHEDULE, times=times)
