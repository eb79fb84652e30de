"""Prepares the evaluation of a run: its data, its feature, its pictures."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from genrl import processes
from genrl.data import DataSource
from genrl.evaluation.evaluator import MAX_REAL, Evaluator
from genrl.evaluation.features import features
from genrl.evaluation.ladder import LadderEvaluation, Plan
from genrl.evaluation.pictures import Pictures
from genrl.run_folder import RunFolder
from genrl.tasks.build import Config, Drawers, build_feature
from genrl.tasks.guidance import guidance_sources


def make_evaluation(
    folder: RunFolder,
    config: Config,
    data: DataSource,
    say: Callable[[str], None],
    plan: Plan,
    *,
    num_samples: int,
    seed: int,
    batch_size: int,
    device: torch.device | str = "cpu",
    rank: int = 0,
    world_size: int = 1,
    gather: Callable[[Tensor], Tensor] | None = None,
    before_batch: Callable[[], None] | None = None,
    is_written: bool = True,
) -> LadderEvaluation:
    """An evaluation with a fitted feature, against at most 10,000 real examples of each split.

    ``is_written`` says whether it renews the files of the run, or only says what it finds.
    """
    train, train_labels = data.train().evenly(MAX_REAL)
    held_out_set = data.held_out()
    held_out, held_out_labels = (
        (None, None) if held_out_set is None else held_out_set.evenly(MAX_REAL)
    )
    feature = build_feature(config, data).to(device)
    if held_out is None:
        held_out_x, held_out_y = train, train_labels
    else:
        held_out_x, held_out_y = held_out, held_out_labels
    if rank == 0:
        say(f"preparing the feature '{features.name_of(type(feature))}' for the evaluation")
    if rank > 0:
        processes.wait_for_all()  # until the first one's feature lies in the cache
    feature.fit(train, train_labels, held_out_x, held_out_y, folder.path / "features")
    if rank == 0:
        processes.wait_for_all()
    evaluator = Evaluator(
        feature,
        data.spec,
        train,
        held_out,
        num_samples=num_samples,
        seed=seed,
        batch_size=batch_size,
        device=device,
        rank=rank,
        world_size=world_size,
        gather=gather,
        before_batch=before_batch,
    )
    about: dict[str, Any] = {
        "name": config["name"],
        "seed": config["seed"],
        "data": config["data"]["name"],
        "feature": {
            "name": features.name_of(type(feature)),
            "held_out_accuracy": feature.held_out_accuracy,
        },
        "num_samples": num_samples,
        "reference": {"stage": "teacher", "num_steps": plan.reference_steps},
        "baselines": {"train_vs_held_out_frechet": evaluator.floor()},
    }
    return LadderEvaluation(
        folder,
        evaluator,
        plan,
        Drawers(config, data.spec, guidance_sources(config, data.spec, folder, say)),
        Pictures(folder, data.spec, data.class_names),
        about,
        is_writer=is_written and rank == 0,
        say=say if rank == 0 else lambda text: None,
    )
