"""LightningModules: thin; they join the parts."""

from genrl.modules.diffusion import DiffusionModule, DivergenceError

__all__ = ["DiffusionModule", "DivergenceError"]
