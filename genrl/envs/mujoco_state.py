"""The state of a MuJoCo simulation, as far as the next step depends on it.

``mjSTATE_INTEGRATION`` is all that the physics needs, the solver's warm start included. Rewards
and observations read more: positions of bodies, inertias and contact forces, which after a step are
those of the substep before. So every array whose size the model fixes is kept, too, but those in
MuJoCo's arena (contacts, constraints, islands), which each step makes anew.
"""

import sys
from typing import Any

import numpy as np
import torch

from genrl.registry import ConfigurationError

ARENA = ("efm_", "map_", "dof_island", "tree_island", "tendon_efcadr")


def is_mujoco(env: Any) -> bool:
    """Whether an environment holds a MuJoCo model and its data."""
    mujoco = sys.modules.get("mujoco")
    return mujoco is not None and isinstance(getattr(env, "data", None), mujoco.MjData)


def read(env: Any) -> dict[str, Any]:
    """What the next step depends on: ``values``, one tensor, and their ``layout``, a text."""
    import mujoco

    kind = mujoco.mjtState.mjSTATE_INTEGRATION
    integration = np.empty(mujoco.mj_stateSize(env.model, kind))
    mujoco.mj_getState(env.model, env.data, integration, kind)
    arrays = _arrays(env)
    # Doubles hold every array exactly: none has integers beyond 2^53. A tensor each would be slow.
    values = np.concatenate([integration, *(value.ravel() for value in arrays.values())])
    return {"layout": _layout(integration, arrays), "values": torch.from_numpy(values)}


def write(env: Any, state: dict[str, Any]) -> None:
    """Inverse of `read`.

    Raises:
        ConfigurationError: if the state is that of another model or release of MuJoCo.
    """
    import mujoco

    kind = mujoco.mjtState.mjSTATE_INTEGRATION
    integration = np.empty(mujoco.mj_stateSize(env.model, kind))
    arrays = _arrays(env)
    if state["layout"] != _layout(integration, arrays):
        raise ConfigurationError(
            "the saved state of the simulation is that of another MuJoCo model or release"
        )
    sizes = [integration.size, *(value.size for value in arrays.values())]
    parts = np.split(state["values"].numpy(), np.cumsum(sizes)[:-1])
    mujoco.mj_setState(env.model, env.data, parts[0], kind)
    for value, part in zip(arrays.values(), parts[1:], strict=True):
        value[...] = part.reshape(value.shape)


def _layout(integration: np.ndarray[Any, Any], arrays: dict[str, Any]) -> str:
    parts = [f"{key}{value.shape}" for key, value in arrays.items()]
    return " ".join([f"integration({integration.size},)", *parts])


def _arrays(env: Any) -> dict[str, Any]:
    # In new data the arena is empty, so that most of its arrays differ in size.
    import mujoco

    blank = mujoco.MjData(env.model)
    found = {}
    for key in dir(env.data):
        value = None if key.startswith(("_", *ARENA)) else getattr(env.data, key)
        if isinstance(value, np.ndarray) and value.size and value.dtype.kind in "biuf":
            fixed = getattr(blank, key)
            if isinstance(fixed, np.ndarray) and fixed.shape == value.shape:
                found[key] = value
    return found
