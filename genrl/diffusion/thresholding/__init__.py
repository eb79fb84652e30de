"""Thresholding: how a predicted x is kept in the range of the data."""

from genrl.diffusion.thresholding.base import Thresholding, thresholdings
from genrl.diffusion.thresholding.dynamic import DynamicThresholding
from genrl.diffusion.thresholding.none import NoThresholding
from genrl.diffusion.thresholding.static import StaticThresholding

__all__ = [
    "DynamicThresholding",
    "NoThresholding",
    "StaticThresholding",
    "Thresholding",
    "thresholdings",
]
