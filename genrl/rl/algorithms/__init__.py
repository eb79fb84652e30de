"""Algorithms."""

from genrl.rl.algorithms.a2c import A2C
from genrl.rl.algorithms.base import Algorithm, Parts, algorithms
from genrl.rl.algorithms.es import ES
from genrl.rl.algorithms.ppo import PPO
from genrl.rl.algorithms.reinforce import REINFORCE
from genrl.rl.algorithms.sac import SAC
from genrl.rl.algorithms.td3 import TD3
from genrl.rl.algorithms.trpo import TRPO

__all__ = [
    "A2C",
    "ES",
    "PPO",
    "REINFORCE",
    "SAC",
    "TD3",
    "TRPO",
    "Algorithm",
    "Parts",
    "algorithms",
]
