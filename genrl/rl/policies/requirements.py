"""Which action spaces a policy can act in: refused with the name of one that can."""

import torch

from genrl.registry import ConfigurationError
from genrl.rl.distributions.bounds import Bounds
from genrl.rl.spec import EnvSpec


def require_continuous(spec: EnvSpec, who: str) -> None:
    """Refuse discrete actions.

    Raises:
        ConfigurationError: if they are.
    """
    if spec.is_discrete:
        raise ConfigurationError(
            f"{who} needs continuous actions, but {spec.env_id} has {spec.action_size} discrete "
            "ones: take policy=categorical"
        )


def require_discrete(spec: EnvSpec, who: str) -> None:
    """Refuse continuous actions.

    Raises:
        ConfigurationError: if they are.
    """
    if not spec.is_discrete:
        raise ConfigurationError(
            f"{who} needs discrete actions, but those of {spec.env_id} are vectors of "
            f"{spec.action_size} numbers: take policy=gaussian or policy=tanh_gaussian"
        )


def bounds_of(spec: EnvSpec, who: str) -> Bounds:
    """The bounds of every action.

    Raises:
        ConfigurationError: if actions are discrete, or one has no finite bounds.
    """
    require_continuous(spec, who)
    if not spec.is_bounded:
        ends = ", ".join(f"[{low}, {high}]" for low, high in zip(spec.low, spec.high, strict=True))
        raise ConfigurationError(
            f"{who} needs finite bounds, but actions of {spec.env_id} lie in {ends}: take "
            "policy=gaussian"
        )
    return Bounds(torch.tensor(spec.low), torch.tensor(spec.high))
