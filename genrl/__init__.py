"""genrl: diffusion models, distillation, reinforcement and imitation learning from interchangeable parts."""

__version__ = "0.1.0"
