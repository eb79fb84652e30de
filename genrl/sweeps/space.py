"""What a search is over: the sweeping overrides of a command line, in Optuna's terms and back."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep, Transformer
from hydra.errors import HydraException

from genrl.registry import ConfigurationError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


class Space:
    """What is searched over: the overrides of a sweep, in Optuna's terms.

    Args:
        words: overrides; those that sweep are searched over, the others are fixed.

    Raises:
        ConfigurationError: if none sweeps, or one cannot be drawn from.
    """

    def __init__(self, words: Sequence[str]) -> None:
        parsed: list[Override] = OverridesParser.create().parse_overrides(list(words))
        self._fixed = {o.get_key_element(): o.input_line for o in parsed}
        self.distributions = {
            override.get_key_element(): _drawn_from(override)
            for override in parsed
            if override.is_sweep_override()
        }
        if not self.distributions:
            raise ConfigurationError(
                "a search needs something to search over, such as "
                "'training.learning_rate=interval(1e-4,1e-2)' or sampler=ddim,heun"
            )

    def overrides(self, values: dict[str, Any]) -> list[str]:
        """Those of one job."""
        return [
            f"{key}={_text(values[key])}" if key in values else str(line)
            for key, line in self._fixed.items()
        ]

    def values(self, overrides: Sequence[str]) -> dict[str, Any]:
        """What a job had for each of what is searched over: the inverse of `overrides`.

        Raises:
            ConfigurationError: if it is none of this search's.
        """
        given = dict(word.split("=", 1) for word in overrides if "=" in word)
        found = {}
        for key, distribution in self.distributions.items():
            try:
                found[key] = _parsed(distribution, given[key])
            except (KeyError, ValueError) as error:
                raise ConfigurationError(
                    f"a job of the sweep ({' '.join(overrides)}) is none of this search: choose "
                    "another hydra.sweep.dir"
                ) from error
        return found


def _drawn_from(override: Override) -> "BaseDistribution":
    try:
        return _distribution(override)
    except (ValueError, HydraException) as error:
        raise ConfigurationError(
            f"'{override.input_line}' is nothing to search over: {str(error).splitlines()[0]}"
        ) from error


def _distribution(override: Override) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    value = override.value()
    if isinstance(value, IntervalSweep):
        assert value.start is not None
        assert value.end is not None
        if not math.isfinite(value.end - value.start):
            raise ValueError("its ends must be finite")
        is_whole = isinstance(value.start, int) and isinstance(value.end, int)
        is_log = "log" in value.tags
        if is_whole:
            return IntDistribution(int(value.start), int(value.end), log=is_log)
        return FloatDistribution(value.start, value.end, log=is_log)
    choices: list[Any] = list(override.sweep_iterator(transformer=Transformer.encode))
    is_range = isinstance(value, RangeSweep) and len(choices) > 1
    if is_range and all(isinstance(choice, int) for choice in choices):
        # As Hydra reads it, without its stop; whether it counts down or is shuffled is no matter.
        first, second, *_ = sorted(choices)
        return IntDistribution(first, max(choices), step=second - first)
    return CategoricalDistribution(choices)


def _parsed(distribution: "BaseDistribution", text: str) -> Any:
    from optuna.distributions import CategoricalDistribution, IntDistribution

    if isinstance(distribution, CategoricalDistribution):
        return {_text(choice): choice for choice in distribution.choices}[text]
    return int(text) if isinstance(distribution, IntDistribution) else float(text)


def _text(value: Any) -> str:
    """A value as one writes it in an override."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
