"""Samplers from names: the grid that each takes by itself, and what it says of a wrong one."""

import warnings

import pytest
import torch

from genrl.config import compose
from genrl.diffusion.building import build_sampler
from genrl.diffusion.samplers import samplers
from genrl.diffusion.schedules import CosineSchedule, EdmSchedule, VdmLinearSchedule
from genrl.diffusion.time_grids import LogSnrTimeGrid, UniformTimeGrid
from genrl.tasks import build
from genrl.typing import DataSpec


@pytest.mark.parametrize("name", samplers.names())
def test_every_sampler_agrees_with_its_own_grid(name: str) -> None:
    for schedule in (CosineSchedule(), EdmSchedule(), VdmLinearSchedule()):
        sampler = build_sampler(name, schedule)
        assert sampler.objection() is None
        assert sampler.time_grid.schedule is schedule


def test_the_first_order_steps_evenly_in_time_and_higher_ones_in_log_snr() -> None:
    schedule = CosineSchedule()
    assert isinstance(build_sampler("ddim", schedule).time_grid, UniformTimeGrid)
    grid = build_sampler({"name": "heun", "steps": 12}, schedule).time_grid
    assert isinstance(grid, LogSnrTimeGrid)
    log_snr = schedule.log_snr(grid.times(12))[:-1]
    expected = torch.arange(-10, 13, 2, dtype=torch.float64)
    torch.testing.assert_close(log_snr, expected, rtol=0, atol=1e-9)


def test_a_chosen_grid_is_taken_with_a_warning_where_it_costs_the_order() -> None:
    with pytest.warns(UserWarning, match="sampler 'heun': order 2 needs .* take time_grid=log_snr"):
        sampler = build_sampler("heun", CosineSchedule(), "uniform")
    assert isinstance(sampler.time_grid, UniformTimeGrid)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build_sampler("heun", VdmLinearSchedule(), "uniform")
        build_sampler("ddim", CosineSchedule(), "uniform")


def test_the_ladder_keeps_the_uniform_grid_whatever_the_teachers_sampler() -> None:
    config = compose(["+experiment=cfg_distill", "sampler=heun"])
    assert config["time_grid"] is None
    schedule = CosineSchedule()
    assert isinstance(build.build_sampler(config, schedule).time_grid, LogSnrTimeGrid)
    student = build.build_sampler(config, schedule, "student_sampler")
    assert isinstance(student.time_grid, UniformTimeGrid)
    config = compose(["+experiment=cfg_distill", "time_grid=quadratic"])
    for key in ("sampler", "student_sampler"):
        built = build.build_sampler(config, schedule, key).time_grid
        assert type(built).__name__ == "QuadraticTimeGrid"


def test_a_student_is_drawn_on_the_grid_of_its_ladder() -> None:
    config = compose(["+experiment=cfg_distill", "sampler=dpm_solver_pp_2m"])
    spec = DataSpec((1, 8, 8), 10)
    drawers = build.Drawers(config, spec)
    denoiser = build.build_denoiser(config, spec)
    assert isinstance(drawers(denoiser, is_guided=True).sampler.time_grid, UniformTimeGrid)
    assert isinstance(drawers(denoiser, is_guided=False).sampler.time_grid, LogSnrTimeGrid)
