"""``genrl evaluate RUN --likelihood``: bits per dimension of training and held-out data."""

from collections.abc import Iterable, Sequence

import torch

from genrl.callbacks.likelihood_evaluation import splits_of
from genrl.diffusion import Denoiser, UniformTimeGrid
from genrl.evaluation.evaluator import MAX_REAL
from genrl.evaluation.likelihood import (
    LikelihoodEvaluation,
    LikelihoodRow,
    likelihood_table,
    store,
)
from genrl.registry import ConfigurationError
from genrl.report import write_report
from genrl.run_folder import RunFolder
from genrl.tasks.build import build_data
from genrl.tasks.sample import load_trained_stage

STEPS = (16, 64, 256)


def evaluate_likelihood(
    folder: RunFolder,
    *,
    stage: str | None,
    n: int | None,
    steps: Sequence[int] | None,
    ode_n: int,
    ode_steps: int,
    device: torch.device,
) -> str:
    """Measure, print as it comes, and keep it in ``summary.json`` and the page.

    Args:
        folder: of the run.
        stage: a teacher's; None takes the first finished one.
        n: most examples of each split; None takes all, up to 10,000.
        steps: of the bound in discrete time.
        ode_n: examples of each split for the ODE, which costs most; 0 leaves it out.
        ode_steps: of its solver.
        device: to run on.

    Raises:
        ConfigurationError: if the stage is a distilled one, or a number is out of range.
    """
    for name, value, least in (
        ("n", n, 2),
        ("ode_n", ode_n, 0),
        ("ode_steps", ode_steps, 1),
        *(("steps", count, 1) for count in steps or ()),
    ):
        if value is not None and value < least:
            raise ConfigurationError(f"{name} must be at least {least}, not {value}")
    stage = folder.finished_stages()[0] if stage is None else stage
    trained = load_trained_stage(folder, stage, device)
    if trained.is_guided or trained.num_steps is not None:
        raise ConfigurationError(
            f"the stage '{stage}' is distilled and no model of all noise levels any more: "
            "likelihood is that of the first stage, give stage=teacher"
        )
    denoiser = trained.drawer.denoiser
    assert isinstance(denoiser, Denoiser)
    denoiser.requires_grad_(False)
    config = folder.config()
    data = build_data(config)
    evaluation = LikelihoodEvaluation(
        denoiser,
        denoiser.schedule,
        splits_of(data, n or MAX_REAL, device),
        data.spec.num_levels,
        stage=stage,
        seed=config["seed"],
    )
    rows = _say(evaluation.continuous())
    grid = UniformTimeGrid(denoiser.schedule)
    for count in steps or STEPS:
        rows += _say(evaluation.discrete(grid, count))
    for dequantization in ("variational", "uniform")[: 2 if data.spec.num_levels else 1]:
        if ode_n:
            rows += _say(evaluation.ode(dequantization, ode_n, ode_steps))
    store(folder, rows)
    write_report([folder.path], folder.report)
    return f"{likelihood_table(rows)}\n{folder.summary}\n{folder.report}"


def _say(rows: Iterable[LikelihoodRow]) -> list[LikelihoodRow]:
    """The rows, with a word of each while the next is measured."""
    found = []
    for row in rows:
        print(f"  {row.estimate}, {row.split}: {row.bits_per_dim:.4f} bits/dim", flush=True)
        found.append(row)
    return found
