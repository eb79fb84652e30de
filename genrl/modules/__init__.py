"""LightningModules: thin; they join the parts."""

from genrl.modules.agent import AgentModule, Iterations
from genrl.modules.base import DivergenceError, StagedModule
from genrl.modules.diffusion import DiffusionModule

__all__ = ["AgentModule", "DiffusionModule", "DivergenceError", "Iterations", "StagedModule"]
