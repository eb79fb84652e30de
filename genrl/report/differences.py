"""What tells one run's config from others', in few words."""

from collections.abc import Mapping, Sequence

_MOST = 4


def differing(mine: Mapping[str, str], others: Sequence[Mapping[str, str]]) -> str:
    """The parameters in which a flat config differs from any of several; empty where in none.

    Args:
        mine: dotted keys and values as text.
        others: the same; ``mine`` may be among them.
    """
    keys = [key for key in mine if len({mine[key], *(other.get(key) for other in others)}) > 1]
    said = [f"{_last(key, keys)}={mine[key]}" for key in keys[:_MOST]]
    return ", ".join(said) + (", …" if len(keys) > _MOST else "")


def _last(key: str, keys: Sequence[str]) -> str:
    """A dotted key without what comes before its last word, where that is enough."""
    last = key.rpartition(".")[2]
    return last if sum(other.rpartition(".")[2] == last for other in keys) == 1 else key
