"""Overrides in Optuna's terms and back; the search itself is an integration test."""

from typing import Any

import optuna
import pytest
from command_line import run

from genrl.registry import ConfigurationError
from genrl.sweeps.optuna_sweeper import Space

WORDS = [
    "+experiment=ppo", "lr=interval(1e-4,1e-1)", "size=tag(log, int(interval(1, 64)))", "~tuning",
    "kind=a,b,'c d'", "count=range(2,9,3)", "flag=true,false", "+new.key=null,1.5",
]  # fmt: skip


def test_each_sweep_has_its_distribution() -> None:
    found = Space(WORDS).distributions
    assert found == {
        "lr": optuna.distributions.FloatDistribution(1e-4, 1e-1),
        "size": optuna.distributions.IntDistribution(1, 64, log=True),
        "kind": optuna.distributions.CategoricalDistribution(["a", "b", "'c d'"]),
        "count": optuna.distributions.IntDistribution(2, 8, step=3),
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
    ("words", "reason"),
    [
        (["seed=1"], "a search needs something to search over"),
        (["seed=1,2", "hydra.sweeper.sampler=tpee"], "Did you mean 'tpe'"),
        (["seed=1,2", "hydra.sweeper.direction=up"], "hydra.sweeper.direction is one of"),
        (["seed=1,2", "hydra.sweeper.n_trials=0"], "n_trials must be at least 1, not 0"),
        (["seed=1,2", "hydra.sweeper.n_trial=3"], "n_trial"),
        (["seed=1,2", "hydra/launcher=slurm"], "hydra/launcher=slurm is not installed"),
    ],
)
def test_mistakes(
    words: list[str],
    reason: str,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("train", "-m", "hydra/sweeper=optuna", *words) == 2
    said = capsys.readouterr().err
    assert reason in said
    assert said.count("\n") == 1
