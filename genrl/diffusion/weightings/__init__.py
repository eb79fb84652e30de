"""Loss weightings: factors on the mean squared error in x."""

from genrl.diffusion.weightings.base import Weighting, weightings
from genrl.diffusion.weightings.edm import EdmWeighting
from genrl.diffusion.weightings.learned_uncertainty import LearnedUncertaintyWeighting
from genrl.diffusion.weightings.min_snr import MinSnrWeighting
from genrl.diffusion.weightings.p2 import P2Weighting
from genrl.diffusion.weightings.sigmoid import SigmoidWeighting
from genrl.diffusion.weightings.snr import SnrWeighting
from genrl.diffusion.weightings.snr_plus_one import SnrPlusOneWeighting
from genrl.diffusion.weightings.soft_min_snr import SoftMinSnrWeighting
from genrl.diffusion.weightings.truncated_snr import TruncatedSnrWeighting
from genrl.diffusion.weightings.uniform import UniformWeighting
from genrl.diffusion.weightings.velocity import VelocityWeighting
from genrl.diffusion.weightings.vlb import VlbWeighting

__all__ = [
    "EdmWeighting",
    "LearnedUncertaintyWeighting",
    "MinSnrWeighting",
    "P2Weighting",
    "SigmoidWeighting",
    "SnrPlusOneWeighting",
    "SnrWeighting",
    "SoftMinSnrWeighting",
    "TruncatedSnrWeighting",
    "UniformWeighting",
    "VelocityWeighting",
    "VlbWeighting",
    "Weighting",
    "weightings",
]
