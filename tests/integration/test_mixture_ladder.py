"""The whole ladder, trained, on a two-dimensional mixture whose guided teacher is known exactly.

Eight components on a ring, four classes of two. The teacher is classifier-free guidance of the
closed-form denoiser; a small perceptron learns it with w as an input, then 8, 4, 2 and 1 steps. The
measure is the paired RMSE (same noise, class and w) to 256 DDIM steps of the teacher, at both ends
of the range of w and
between: a student that ignores w looks perfect in the middle.
"""

import copy

import pytest
import torch

from genrl.data.gaussian_mixture import GaussianMixtureSource
from genrl.diffusion import (
    ClassifierFreeGuidance,
    CosineSchedule,
    DDIMSampler,
    Denoiser,
    GuidedDistillationObjective,
    LowDiscrepancyTimeSampler,
    Objective,
    Parts,
    ProgressiveDistillationObjective,
    TruncatedSnrWeighting,
    UniformTimeGrid,
    VParameterization,
    bind,
)
from genrl.evaluation import paired_rmse
from genrl.networks import MLP

WEIGHTS = (0.0, 1.0, 2.0, 4.0)
BATCH = 512


def train(objective, student, teacher, data, updates: int, seed: int) -> None:
    optimizer = torch.optim.Adam(student.network.parameters(), lr=1e-3, fused=True)
    generator = torch.Generator().manual_seed(seed)
    for update in range(updates):
        optimizer.param_groups[0]["lr"] = 1e-3 * (1 - update / updates)
        chosen = torch.randint(len(data.x), (BATCH,), generator=generator)
        optimizer.zero_grad()
        objective(student, teacher, data.x[chosen], data.label[chosen], generator).loss.backward()
        optimizer.step()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_students_follow_the_guided_teacher_at_every_weight() -> None:
    torch.manual_seed(0)
    source = GaussianMixtureSource()
    examples = source.train()
    data = examples.batch(torch.arange(len(examples)))
    classes = source.spec.num_classes
    schedule = CosineSchedule()
    grid, guidance = UniformTimeGrid(schedule), ClassifierFreeGuidance(classes)
    parts = Parts(
        schedule=schedule,
        weighting=TruncatedSnrWeighting(schedule),
        time_sampler=LowDiscrepancyTimeSampler(schedule),
        time_grid=grid,
        guidance=guidance,
        num_classes=classes,
    )
    oracle = source.denoiser(schedule)
    student = Denoiser(MLP(source.spec), schedule, VParameterization())
    sampler = DDIMSampler(schedule, grid)
    noise = torch.randn(2000, 2, generator=torch.Generator().manual_seed(1))
    label = torch.arange(2000) % classes
    reference = {
        w: sampler.sample(bind(oracle, label, w, guidance), noise, steps=256) for w in WEIGHTS
    }

    def errors(steps: int) -> list[float]:
        return [
            paired_rmse(sampler.sample(bind(student, label, w), noise, steps=steps), reference[w])
            for w in WEIGHTS
        ]

    def teacher_errors(steps: int) -> list[float]:
        return [
            paired_rmse(
                sampler.sample(bind(oracle, label, w, guidance), noise, steps=steps), reference[w]
            )
            for w in WEIGHTS
        ]

    train(GuidedDistillationObjective(parts), student, oracle, data, 2000, seed=2)
    print(f"\nguided, 16 steps: {errors(16)}")
    for steps in (8, 4, 2, 1):
        teacher = copy.deepcopy(student).requires_grad_(False)
        objective: Objective = ProgressiveDistillationObjective(parts, steps=steps)
        train(objective, student, teacher, data, 800, seed=3 + steps)
        found, own = errors(steps), teacher_errors(steps)
        mean, ratio = sum(found) / 4, sum(found) / sum(own)
        print(f"{steps} steps: student {found} mean {mean:.4f}; teacher's own DDIM {own}")
        assert mean < 0.085
        assert max(found) < 0.12
        assert ratio < {8: 1.0, 4: 0.6, 2: 0.4, 1: 0.3}[steps]
    z = torch.randn(256, 2, generator=torch.Generator().manual_seed(4))
    t = torch.full((256,), 0.5)
    low, high = (student(z, t, label[:256], torch.full((256,), w)).x for w in (0.0, 4.0))
    assert (low - high).abs().mean() > 0.01
