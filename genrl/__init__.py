"""genrl: diffusion, distillation, reinforcement and imitation learning from exchangeable parts."""

__version__ = "0.1.0"
