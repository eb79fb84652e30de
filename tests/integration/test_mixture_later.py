"""TRACT and consistency, trained, on the mixture whose guided teacher is known exactly.

As in ``test_mixture_ladder``: the measure is the paired RMSE (same noise, class and w) of one step
to 256 DDIM steps of the closed-form guided teacher.
"""

import copy
from typing import Any

import pytest
import torch

from genrl.data.gaussian_mixture import GaussianMixtureSource
from genrl.diffusion import (
    ClassifierFreeGuidance,
    ConsistencyDistillationObjective,
    ConsistencyTuningObjective,
    CosineSchedule,
    DDIMSampler,
    Denoiser,
    GuidedDistillationObjective,
    LowDiscrepancyTimeSampler,
    Objective,
    Parts,
    TractObjective,
    TruncatedSnrWeighting,
    UniformTimeGrid,
    VParameterization,
    bind,
)
from genrl.evaluation import paired_rmse
from genrl.networks import MLP
from genrl.networks.averaging import MovingAverage

WEIGHTS = (0.0, 2.0, 4.0)
BATCH = 256
SCHEDULE = CosineSchedule()
SOURCE = GaussianMixtureSource()
CLASSES = SOURCE.spec.num_classes
GUIDANCE = ClassifierFreeGuidance(CLASSES)
GRID = UniformTimeGrid(SCHEDULE)


def train(objective: Objective, student: Denoiser, teacher: Any, updates: int, seed: int) -> None:
    """A stage; the student ends with its teaching average where there is one."""
    data = SOURCE.train()
    optimizer = torch.optim.Adam(student.network.parameters(), lr=1e-3, fused=True)
    generator = torch.Generator().manual_seed(seed)
    average = MovingAverage(student, objective.average_decay or 0.0)
    for update in range(updates):
        optimizer.param_groups[0]["lr"] = 1e-3 * (1 - update / updates)
        x, label = data.batch(torch.randint(len(data), (BATCH,), generator=generator))
        optimizer.zero_grad()
        now = objective.at(update / updates, average.module)
        now(student, teacher, x, label, generator).loss.backward()
        optimizer.step()
        average.follow(student)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_one_step_follows_the_guided_teacher_at_every_weight() -> None:
    torch.manual_seed(0)
    parts = Parts(
        schedule=SCHEDULE,
        weighting=TruncatedSnrWeighting(SCHEDULE),
        time_sampler=LowDiscrepancyTimeSampler(SCHEDULE),
        time_grid=GRID,
        guidance=GUIDANCE,
        num_classes=CLASSES,
    )
    oracle, sampler = SOURCE.denoiser(SCHEDULE), DDIMSampler(SCHEDULE, GRID)
    noise = torch.randn(1000, 2, generator=torch.Generator().manual_seed(1))
    label = torch.arange(1000) % CLASSES
    reference = {
        w: sampler.sample(bind(oracle, label, w, GUIDANCE), noise, steps=256) for w in WEIGHTS
    }

    def error(student: Denoiser) -> float:
        found = [
            paired_rmse(sampler.sample(bind(student, label, w), noise, steps=1), reference[w])
            for w in WEIGHTS
        ]
        return sum(found) / len(found)

    guided = Denoiser(MLP(SOURCE.spec), SCHEDULE, VParameterization())
    train(GuidedDistillationObjective(parts), guided, oracle, 1500, 0)
    before = error(guided)
    ends: dict[str, float] = {}
    for name, stages in {
        "tract": [TractObjective(parts, steps=n, factor=8) for n in (8, 1)],
        "consistency_distillation": [ConsistencyDistillationObjective(parts, intervals=64)],
        "consistency_tuning": [ConsistencyTuningObjective(parts)],
    }.items():
        student, teacher = copy.deepcopy(guided), copy.deepcopy(guided).requires_grad_(False)
        for index, objective in enumerate(stages):
            train(objective, student, teacher, 2000 // len(stages), 1 + index)
            teacher.load_state_dict(student.state_dict())
        ends[name] = error(student)
    print(f"before: {before:.4f}; after: {ends}")
    assert all(end < 0.4 * before for end in ends.values()), (before, ends)
