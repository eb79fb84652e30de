"""D4RL's normalized score: 0 is a random policy, 100 an expert.

    score = 100 (R - R_min) / (R_max - R_min)

R is the undiscounted return of an episode. D4RL's own function returns a fraction; published tables
hold percent, as here. The references belong to the MuJoCo tasks of version 2: on version 5, whose
rewards differ a little, a score is comparable only roughly.

Fu et al. 2020, D4RL: Datasets for Deep Data-Driven Reinforcement Learning, appendix.
"""

import re

import numpy as np
from numpy.typing import ArrayLike, NDArray

from genrl.registry import ConfigurationError, suggest

REFERENCES: dict[str, tuple[float, float]] = {
    "hopper": (-20.272305, 3234.3),
    "halfcheetah": (-280.178953, 12135.0),
    "walker2d": (1.629008, 4592.3),
    "ant": (-325.6, 3879.7),
    "maze2d-umaze": (23.85, 161.86),
    "maze2d-medium": (13.13, 277.39),
    "maze2d-large": (6.7, 273.99),
    "pen": (96.262799, 3076.83),
    "antmaze": (0.0, 1.0),
    "kitchen": (0.0, 4.0),
}


def d4rl_score(env_id: str, returns: ArrayLike) -> NDArray[np.float64]:
    """Returns of episodes as normalized scores, in percent.

    Args:
        env_id: such as Hopper-v5, hopper-medium-v2 or antmaze-umaze-diverse-v0.
        returns: undiscounted.

    Raises:
        ConfigurationError: if D4RL has no references for the environment.
    """
    name = re.sub(r"-v\d+$", "", env_id.rpartition("/")[2]).lower()
    while name not in REFERENCES and "-" in name:
        name = name.rpartition("-")[0]
    if name not in REFERENCES:
        raise ConfigurationError(
            f"D4RL has no reference returns for {env_id}.{suggest(name, REFERENCES)} "
            f"Known: {', '.join(REFERENCES)}"
        )
    low, high = REFERENCES[name]
    return np.asarray(100 * (np.asarray(returns, dtype=np.float64) - low) / (high - low))
