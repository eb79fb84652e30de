"""LightningModules: thin; they join the parts."""

from genrl.modules.base import DivergenceError, StagedModule
from genrl.modules.diffusion import DiffusionModule

__all__ = ["DiffusionModule", "DivergenceError", "StagedModule"]
