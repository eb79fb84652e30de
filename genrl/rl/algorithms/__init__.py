"""Algorithms."""

from genrl.rl.algorithms.base import Algorithm, Parts, algorithms
from genrl.rl.algorithms.ppo import PPO
from genrl.rl.algorithms.sac import SAC
from genrl.rl.algorithms.td3 import TD3

__all__ = ["PPO", "SAC", "TD3", "Algorithm", "Parts", "algorithms"]
