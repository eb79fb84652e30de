"""Overrides in Optuna's terms and back."""

from typing import Any

import optuna
import pytest

from genrl.registry import ConfigurationError
from genrl.sweeps.space import Space

WORDS = [
    "+experiment=ppo", "lr=interval(1e-4,1e-1)", "size=tag(log, int(interval(1, 64)))", "~tuning",
    "kind=a,b,'c d'", "count=shuffle(range(2,15,3))", "flag=true,false", "+new.key=null,1.5",
]  # fmt: skip


def test_each_sweep_has_its_distribution() -> None:
    found = Space(WORDS).distributions
    assert found == {
        "lr": optuna.distributions.FloatDistribution(1e-4, 1e-1),
        "size": optuna.distributions.IntDistribution(1, 64, log=True),
        "kind": optuna.distributions.CategoricalDistribution(["a", "b", "'c d'"]),
        "count": optuna.distributions.IntDistribution(2, 14, step=3),
        "flag": optuna.distributions.CategoricalDistribution([True, False]),
        "+new.key": optuna.distributions.CategoricalDistribution(["null", 1.5]),
    }


@pytest.mark.parametrize("seed", range(5))
def test_a_job_tells_what_was_asked_for_it(seed: int) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = Space(WORDS)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    values: dict[str, Any] = study.ask(space.distributions).params
    overrides = space.overrides(values)
    assert [word.split("=")[0] for word in overrides] == [word.split("=")[0] for word in WORDS]
    assert overrides[0] == "+experiment=ppo"
    assert overrides[3] == "~tuning"
    assert space.values(overrides) == values


@pytest.mark.parametrize("overrides", [[], ["lr=x"], ["lr=1e-3", "kind=z"]])
def test_a_job_of_another_search(overrides: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="is none of this search"):
        Space(WORDS).values(overrides)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("lr=interval(2,1)", "'lr=interval(2,1)' is nothing to search over: `low <= high`"),
        ("lr=tag(log,interval(0,1))", "`low > 0` must hold"),
        ("lr=interval(0,inf)", "its ends must be finite"),
        ("lr=interval(nan,1)", "its ends must be finite"),
        ("lr=interval(-1e308,1e308)", "its ends must be finite"),
        ("count=range(1,5,0)", "must not be zero"),
        ("count=range(0,0)", "must contain one or more"),
        ("lr=0.1", "a search needs something to search over"),
    ],
)
def test_what_nothing_can_be_drawn_from(word: str, reason: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Space([word])
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "word", ["a=range(2,15,3)", "a=range(14,1,-3)", "a=shuffle(range(2,15,3))"]
)
def test_a_range_in_any_order_is_searched_whole(word: str) -> None:
    # Shuffled, the first two may lie far apart.
    assert Space([word]).distributions["a"] == optuna.distributions.IntDistribution(2, 14, step=3)
