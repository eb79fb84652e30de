"""Checks and small environments for tests: genrl's own, a plugin's, or another library's.

Importing this registers ``genrl/Counting-v0``, ``genrl/Ring-v0`` (8 steps), ``genrl/Identity-v0``
and ``genrl/IdentityBox-v0`` (10 steps) with gymnasium, so that
``env=gymnasium env.id=genrl.testing:genrl/Ring-v0`` trains on one.

`check_callback`, which needs Lightning, stands in a module of its own, ``genrl.testing.callbacks``.
"""

import gymnasium

from genrl.testing.autoreset import (
    ConformanceError,
    check_autoreset,
    check_rollout,
    counting_makers,
)
from genrl.testing.counting import CountingEnv
from genrl.testing.devices import ELSEWHERE, elsewhere
from genrl.testing.diffusion import (
    CheckError,
    check_guidance,
    check_parameterization,
    check_sampler,
    check_schedule,
    check_thresholding,
    check_time_grid,
    check_time_sampler,
    check_weighting,
)
from genrl.testing.identity import IdentityBoxEnv, IdentityEnv
from genrl.testing.imitation import check_imitation_loss
from genrl.testing.networks import check_network
from genrl.testing.ring import RingEnv
from genrl.testing.vector import check_vector_env

__all__ = [
    "ELSEWHERE",
    "CheckError",
    "ConformanceError",
    "CountingEnv",
    "IdentityBoxEnv",
    "IdentityEnv",
    "RingEnv",
    "check_autoreset",
    "check_guidance",
    "check_imitation_loss",
    "check_network",
    "check_parameterization",
    "check_rollout",
    "check_sampler",
    "check_schedule",
    "check_thresholding",
    "check_time_grid",
    "check_time_sampler",
    "check_vector_env",
    "check_weighting",
    "counting_makers",
    "elsewhere",
]

gymnasium.register("genrl/Counting-v0", "genrl.testing.counting:CountingEnv")
gymnasium.register("genrl/Ring-v0", "genrl.testing.ring:RingEnv", max_episode_steps=8)
gymnasium.register("genrl/Identity-v0", "genrl.testing.identity:IdentityEnv", max_episode_steps=10)
gymnasium.register(
    "genrl/IdentityBox-v0", "genrl.testing.identity:IdentityBoxEnv", max_episode_steps=10
)
