"""Static thresholding: x is clipped to [-1, 1], the range of images (Ho et al. 2020)."""

from genrl.diffusion.thresholding.base import Thresholding, thresholdings
from genrl.typing import Data


@thresholdings.register("static")
class StaticThresholding(Thresholding):
    """clip(x, -1, 1)."""

    def limit(self, x: Data) -> Data:
        return x.clamp(-1, 1)
