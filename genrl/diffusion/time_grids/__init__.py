"""Time grids: where a sampler evaluates the denoiser."""

from genrl.diffusion.time_grids.base import TimeGrid, time_grids
from genrl.diffusion.time_grids.custom import CustomTimeGrid
from genrl.diffusion.time_grids.karras import KarrasTimeGrid
from genrl.diffusion.time_grids.log_snr import LogSnrTimeGrid
from genrl.diffusion.time_grids.quadratic import QuadraticTimeGrid
from genrl.diffusion.time_grids.uniform import UniformTimeGrid

__all__ = [
    "CustomTimeGrid",
    "KarrasTimeGrid",
    "LogSnrTimeGrid",
    "QuadraticTimeGrid",
    "TimeGrid",
    "UniformTimeGrid",
    "time_grids",
]
