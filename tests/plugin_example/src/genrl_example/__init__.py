"""A plugin for genrl: importing it registers its components."""

from genrl_example.dilated import DilatedNetwork
from genrl_example.huber import HuberLoss
from genrl_example.lowest_loss import LowestLossCallback
from genrl_example.midpoint import MidpointSampler

__all__ = ["DilatedNetwork", "HuberLoss", "LowestLossCallback", "MidpointSampler"]
