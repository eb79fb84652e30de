"""Networks: what a denoiser, a policy or a critic is made of."""

from genrl.networks.base import Network, networks
from genrl.networks.diffusers_unet import DiffusersUNet
from genrl.networks.dit import DiT
from genrl.networks.edm2_unet import EDM2UNet
from genrl.networks.mlp import MLP
from genrl.networks.unet import UNet

__all__ = ["MLP", "DiT", "DiffusersUNet", "EDM2UNet", "Network", "UNet", "networks"]
