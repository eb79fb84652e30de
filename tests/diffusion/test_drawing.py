"""Drawing: a sample belongs to its index, and guidance to the models that need it."""

from typing import Any

import pytest
import torch
from torch import Tensor

from genrl.diffusion import (
    CfgIntervalGuidance,
    CfgPlusPlusGuidance,
    ClassifierFreeGuidance,
    CosineSchedule,
    DDIMSampler,
    GaussianDenoiser,
    HeunSampler,
    NoGuidance,
    OscillatingGuidance,
    Prediction,
    SampleDrawer,
    StaticThresholding,
    StochasticDistilledSampler,
    UniformTimeGrid,
)
from genrl.diffusion.drawing import class_of
from genrl.diffusion.samplers import Sampler
from genrl.typing import DataSpec

SPEC = DataSpec((2, 3), 3)
SCHEDULE = CosineSchedule()


class Recorder:
    """An exact denoiser of three classes that remembers what it was called with."""

    def __init__(self) -> None:
        means = torch.tensor([-2.0, 0.0, 1.0]).view(3, 1, 1)
        stds = torch.tensor([0.3, 0.5, 0.1]).view(3, 1, 1)
        self.exact = GaussianDenoiser(SCHEDULE, torch.zeros(1, 1), torch.ones(1, 1), means, stds)
        self.labels: list[Tensor | None] = []
        self.weights: list[Tensor | None] = []

    def __call__(
        self, z: Tensor, t: Tensor, label: Tensor | None = None, w: Tensor | None = None
    ) -> Prediction:
        self.labels.append(label)
        self.weights.append(w)
        return self.exact(z, t, label)


def sampler(kind: type[Any] = DDIMSampler, **parameters: Any) -> Sampler:
    built: Sampler = kind(SCHEDULE, UniformTimeGrid(SCHEDULE), **parameters)
    return built


def drawer(
    chosen: Sampler | None = None, *, is_guided: bool = False, spec: DataSpec = SPEC, **more: Any
) -> SampleDrawer:
    parts = {"guidance": ClassifierFreeGuidance(spec.num_classes), "thresholding": None, **more}
    return SampleDrawer(Recorder(), chosen or sampler(), spec, is_guided=is_guided, **parts)


CHOICES = {"steps": 5, "w": 1.0, "seed": 7}


@pytest.mark.parametrize(
    "chosen",
    [
        sampler(),
        sampler(HeunSampler),
        sampler(DDIMSampler, eta=1.0),
        sampler(StochasticDistilledSampler),
    ],
    ids=["ddim", "heun", "ddim, eta = 1", "stochastic_distilled"],
)
def test_a_sample_is_the_same_whatever_is_drawn_with_it(chosen: Sampler) -> None:
    """Bit for bit: the noise of a stochastic sampler belongs to the index as well."""
    drawing = drawer(chosen)
    whole = drawing.draw(range(10), **CHOICES)
    for batch_size in (1, 3, 4, 10, 99):
        assert torch.equal(drawing.draw(range(10), **CHOICES, batch_size=batch_size), whole)
    for ranks in (2, 3):
        for rank in range(ranks):
            mine = range(rank, 10, ranks)
            assert torch.equal(drawing.draw(mine, **CHOICES), whole[list(mine)])
    assert torch.equal(drawing.draw([8], **CHOICES), whole[8:9])
    assert torch.equal(drawing.draw([8, 2], **CHOICES), whole[[8, 2]])
    assert whole.dtype == torch.float32
    assert not whole.requires_grad


def test_seeds_and_indices_give_other_samples() -> None:
    drawing = drawer()
    whole = drawing.draw(range(9), **CHOICES)
    assert not torch.equal(drawing.draw(range(9), **{**CHOICES, "seed": 8}), whole)
    assert len(whole.flatten(1).unique(dim=0)) == 9


def test_samples_are_of_the_class_of_their_index() -> None:
    drawing = drawer()
    drawing.draw([4, 0, 5, 3], steps=1, w=0.0, seed=0)
    assert drawing.denoiser.labels[0].tolist() == [1, 0, 2, 0]
    assert class_of([4, 0, 5, 3], SPEC).tolist() == [1, 0, 2, 0]
    assert class_of(range(4), DataSpec((2,))) is None
    samples = drawing.draw(range(300), steps=64, w=0.0, seed=0)
    for label, mean in enumerate((-2.0, 0.0, 1.0)):
        assert abs(samples[label::3].mean().item() - mean) < 0.1


def test_labels_can_be_chosen() -> None:
    drawing = drawer()
    labels = torch.tensor([2, 2, 0, 1])
    chosen = drawing.draw(range(4), **CHOICES, labels=labels, batch_size=3)
    # Guidance puts the null class behind the labels.
    calls = drawing.denoiser.labels[:: CHOICES["steps"]]
    seen = [call[: len(call) // 2].tolist() for call in calls]
    assert seen == [[2, 2, 0], [1]]
    # Index 3 has class 0 by itself.
    assert not torch.equal(chosen[3], drawing.draw([3], **CHOICES)[0])


def test_no_guidance_weight_is_conditional_guidance() -> None:
    """w = 0 skips the unconditional half, and gives what guidance gives as w goes to 0."""
    drawing = drawer()
    plain = drawing.draw(range(6), steps=5, w=0.0, seed=0)
    assert all(len(label) == 6 for label in drawing.denoiser.labels)
    nearly = drawing.draw(range(6), steps=5, w=1e-7, seed=0)
    torch.testing.assert_close(nearly, plain, rtol=0, atol=1e-5)


def test_a_guided_model_gets_the_weight_and_no_second_half() -> None:
    drawing = drawer(is_guided=True)
    drawing.draw(range(4), steps=2, w=2.5, seed=0)
    for label, w in zip(drawing.denoiser.labels, drawing.denoiser.weights, strict=True):
        assert label.tolist() == [0, 1, 2, 0]
        assert w.tolist() == [2.5] * 4
    drawing.draw(range(4), steps=1, w=0.0, seed=0)
    assert drawing.denoiser.weights[-1].tolist() == [0.0] * 4


def test_guidance_moves_samples_away_from_the_unconditional_mean() -> None:
    drawing = drawer()
    means = [drawing.draw(range(0, 90, 3), steps=32, w=w, seed=0).mean() for w in (0.0, 2.0)]
    assert means[1] < means[0] - 0.2


def test_thresholding_is_applied() -> None:
    limited = drawer(thresholding=StaticThresholding()).draw(range(30), steps=8, w=4.0, seed=0)
    assert limited.abs().max() <= 1
    assert drawer().draw(range(30), steps=8, w=4.0, seed=0).abs().max() > 1


@pytest.mark.parametrize(
    ("choices", "w", "steps", "expected"),
    [
        ({}, 0.0, 8, 8),
        ({}, 1.0, 8, 16),
        ({"is_guided": True}, 1.0, 8, 8),
        ({"guidance": None}, 1.0, 8, 8),
        ({"guidance": NoGuidance(3)}, 1.0, 8, 8),
        ({"spec": DataSpec((2, 3))}, 1.0, 8, 8),
        ({"chosen": sampler(HeunSampler)}, 1.0, 8, 2 * 15),
        ({"chosen": sampler(HeunSampler)}, 0.0, 8, 15),
        # λ = -2.1 ... 2.5 are the times from 0.19 to 0.78: five of eight, twice each with Heun.
        ({"guidance": CfgIntervalGuidance(3)}, 1.0, 8, 8 + 5),
        ({"guidance": CfgIntervalGuidance(3), "chosen": sampler(HeunSampler)}, 1.0, 8, 15 + 10),
        ({"guidance": OscillatingGuidance(3, steps=8, constant=2)}, 1.0, 8, 8 + 5),
        ({"guidance": CfgPlusPlusGuidance(3)}, 0.0, 8, 16),
    ],
)
def test_evaluations_are_those_that_happen(
    choices: dict[str, Any], w: float, steps: int, expected: int
) -> None:
    drawing = drawer(**choices)
    assert drawing.evaluations(steps, w) == expected
    labelled = drawing.spec.num_classes > 0
    drawing.draw(range(3), steps=steps, w=w, seed=0)
    calls = drawing.denoiser.labels
    counted = sum(len(label) for label in calls) if labelled else 3 * len(calls)
    assert counted == 3 * expected


def test_data_without_labels() -> None:
    drawing = drawer(spec=DataSpec((2, 3)))
    drawing.draw(range(3), steps=2, w=3.0, seed=0)
    assert drawing.denoiser.labels == [None, None]
    assert drawing.denoiser.weights == [None, None]


def test_no_guidance_component_ignores_the_weight() -> None:
    plain = drawer().draw(range(6), steps=5, w=0.0, seed=0)
    ignoring = drawer(guidance=NoGuidance(3)).draw(range(6), steps=5, w=3.0, seed=0)
    assert torch.equal(ignoring, plain)


def test_a_weight_out_of_the_guidances_range_is_warned_of_and_taken() -> None:
    drawing = drawer(guidance=CfgPlusPlusGuidance(3))
    choices = {"steps": 2, "seed": 0}
    at_most = drawing.draw(range(3), w=1.0, **choices)
    with pytest.warns(UserWarning, match="guidance 'cfg_plus_plus': w is a λ from 0 to 1, and not"):
        beyond = drawing.draw(range(3), w=1.5, **choices)
    assert not torch.equal(beyond, at_most)
