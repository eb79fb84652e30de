"""``hydra/sweeper=optuna``: a search over overrides, such as ``'sampler.eta=interval(0,1)'``.

Hydra's own plugin needs an Optuna of 2022, ends with the first job that fails and cannot go on with
a search. This one asks today's Optuna. The jobs' folders are all that it remembers, and trial k is
drawn from (seed, k): a search that goes on asks for what an uninterrupted one would have.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from genrl.registry import ConfigurationError, suggest
from genrl.sweeps.objective import quality
from genrl.sweeps.record import JobRecord, records
from genrl.sweeps.space import Space

if TYPE_CHECKING:
    from optuna import Study
    from optuna.samplers import BaseSampler

_SAMPLERS = {"tpe": "TPESampler", "random": "RandomSampler", "gp": "GPSampler"}
_DIRECTIONS = ("minimize", "maximize")
_TARGET = "hydra_plugins.genrl.OptunaSweeper"  # Hydra builds nothing from other name spaces


@dataclass
class OptunaSweeperConfig:
    """What ``hydra.sweeper`` may set.

    Args:
        n_trials: runs in all.
        n_jobs: runs that the launcher gets at a time.
        sampler: ``tpe``, ``random`` or ``gp``.
        seed: of the sampler.
        objective: path in ``summary.json``; null for the run's own figure.
        direction: ``minimize`` or ``maximize``; null is maximize for an agent's own figure only.
    """

    _target_: str = _TARGET
    n_trials: int = 20
    n_jobs: int = 1
    sampler: str = "tpe"
    seed: int = 0
    objective: str | None = None
    direction: str | None = None


class OptunaSweeper(Sweeper):
    """Asks Optuna for overrides, and tells it the quality of their runs."""

    def __init__(
        self,
        *,
        n_trials: int,
        n_jobs: int,
        sampler: str,
        seed: int,
        objective: str | None,
        direction: str | None,
    ) -> None:
        self.n_trials, self.n_jobs = n_trials, n_jobs
        self.sampler, self.seed = sampler, seed
        self.objective, self.direction = objective, direction

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Called by Hydra before the sweep.

        Raises:
            ConfigurationError: if a setting is out of range.
        """
        for name, count in (("n_trials", self.n_trials), ("n_jobs", self.n_jobs)):
            if count < 1:
                raise ConfigurationError(f"hydra.sweeper.{name} must be at least 1, not {count}")
        _check("sampler", self.sampler, _SAMPLERS)
        if self.direction is not None:
            _check("direction", self.direction, _DIRECTIONS)
        self.hydra_context, self.config = hydra_context, config
        self.folder = Path(config.hydra.sweep.dir)
        is_return = self.objective is None and config.task == "agent"
        self.direction = self.direction or ("maximize" if is_return else "minimize")
        self.launcher: Launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> list[Sequence[JobReturn]]:
        """Run the trials that are not finished, and write which was the best.

        Raises:
            ConfigurationError: if Optuna is not installed, nothing is searched over, or no run has
                the figure.
        """
        study, space = self._new_study(), Space(arguments)
        known = {int(p.name): (p, r) for p, r in records(self.folder).items() if p.name.isdecimal()}
        returns: list[Sequence[JobReturn]] = []
        jobs: dict[int, Path] = {}
        for start in range(0, self.n_trials, self.n_jobs):
            numbers = range(start, min(start + self.n_jobs, self.n_trials))
            trials = []
            for number in numbers:
                study.sampler = self._sampler(number)
                if number in known:
                    study.enqueue_trial(space.values(known[number][1].overrides))
                trials.append(study.ask(space.distributions))
            jobs |= {n: known[n][0] for n in numbers if n in known}
            for group in _consecutive(n for n in numbers if not _is_finished(known, n)):
                batch = [space.overrides(trials[number - start].params) for number in group]
                self.validate_batch_is_legal(batch)
                found = self.launcher.launch(batch, initial_job_idx=group[0])
                returns.append(found)
                jobs |= zip(group, (_folder(result) for result in found), strict=True)
            for number, trial in zip(numbers, trials, strict=True):
                _tell(study, trial, quality(jobs[number], self.objective))
        self._write_best(study, jobs)
        return returns

    def _new_study(self) -> "Study":
        try:
            import optuna
            from optuna.study import StudyDirection
        except ImportError as error:
            raise ConfigurationError(
                "hydra/sweeper=optuna needs Optuna: pip install 'genrl[sweep]'"
            ) from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        return optuna.create_study(direction=StudyDirection[str(self.direction).upper()])

    def _sampler(self, number: int) -> "BaseSampler":
        import optuna

        sampler: BaseSampler = getattr(optuna.samplers, _SAMPLERS[self.sampler])(
            seed=(self.seed * 1_000_003 + number) % 2**32
        )
        return sampler

    def _write_best(self, study: "Study", jobs: dict[int, Path]) -> None:
        measured = [trial for trial in study.trials if trial.value is not None]
        if not measured:
            figure = self.objective or "the run's own figure of quality"
            raise ConfigurationError(
                f"no run in {self.folder} has {figure} in its summary.json: choose "
                "hydra.sweeper.objective and callback@evaluation so that there is one"
            )
        best = study.best_trial
        result = {
            "name": "optuna",
            "best_value": best.value,
            "best_params": best.params,
            "best_job": jobs[best.number].name,
            "measured": len(measured),
        }
        OmegaConf.save(OmegaConf.create(result), self.folder / "optimization_results.yaml")
        words = " ".join(f"{key}={value}" for key, value in best.params.items())
        job = self.folder / jobs[best.number].name
        print(f"best of {len(measured)}: {job} ({best.value:.4g}), {words}", flush=True)


def _check(name: str, value: str, known: Iterable[str]) -> None:
    if value not in known:
        raise ConfigurationError(
            f"hydra.sweeper.{name} is one of {', '.join(known)}, not '{value}'."
            f"{suggest(value, known)}"
        )


def _is_finished(known: dict[int, tuple[Path, JobRecord]], number: int) -> bool:
    return number in known and known[number][1].is_finished


def _consecutive(numbers: Iterable[int]) -> list[list[int]]:
    """Groups that a launcher can number on from their first."""
    groups: list[list[int]] = []
    for number in numbers:
        if groups and groups[-1][-1] == number - 1:
            groups[-1].append(number)
        else:
            groups.append([number])
    return groups


def _folder(result: JobReturn) -> Path:
    _ = result.return_value  # raises what kept the job from its process
    assert result.hydra_cfg is not None
    return Path(result.hydra_cfg.hydra.runtime.output_dir)


def _tell(study: "Study", trial: Any, value: float | None) -> None:
    from optuna.trial import TrialState

    if value is None:
        study.tell(trial, state=TrialState.FAIL)
    else:
        study.tell(trial, value)


def register() -> None:
    """Let Hydra find it, in the place of another plugin of that name."""
    Plugins.instance().class_name_to_class[_TARGET] = OptunaSweeper
    ConfigStore.instance().store(
        group="hydra/sweeper", name="optuna", node=OptunaSweeperConfig, provider="genrl"
    )
