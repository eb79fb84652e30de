"""What a bound denoiser calls, and in which order."""

import pytest
import torch

from genrl.diffusion.conditioning import bind
from genrl.diffusion.guidance import ClassifierFreeGuidance, NoGuidance
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.schedules import CosineSchedule
from genrl.diffusion.thresholding import StaticThresholding

F64 = torch.float64
SCHEDULE = CosineSchedule()


class Recorder:
    """Predicts ``3 - label`` for every number, and keeps what it was called with."""

    def __init__(self) -> None:
        self.calls: list[tuple[torch.Tensor | None, torch.Tensor | None]] = []

    def __call__(
        self,
        z: torch.Tensor,
        t: torch.Tensor,
        label: torch.Tensor | None = None,
        w: torch.Tensor | None = None,
    ) -> Prediction:
        self.calls.append((label, w))
        x = torch.zeros_like(z) if label is None else (3 - label).to(z)[:, None].expand_as(z)
        return Prediction.from_x(x, z, SCHEDULE.level_like(t, z))


Z = torch.randn(2, 3, dtype=F64, generator=torch.Generator().manual_seed(0))
T = torch.tensor([0.4, 0.7], dtype=F64)
LABEL = torch.tensor([0, 1])


def test_student_gets_w_itself() -> None:
    student = Recorder()
    w = torch.tensor([1.0, 2.0])
    bind(student, LABEL, w)(Z, T)
    assert student.calls[0][0] is LABEL
    assert student.calls[0][1] is w
    bind(student, LABEL, 4)(Z, T)
    assert student.calls[1][1].tolist() == [4.0, 4.0]
    bind(student)(Z, T)
    assert student.calls[2] == (None, None)


def test_guided_denoiser_gets_no_w() -> None:
    model = Recorder()
    prediction = bind(model, LABEL, 2.0, ClassifierFreeGuidance(2))(Z, T)
    label, w = model.calls[0]
    assert label.tolist() == [0, 1, 2, 2]
    assert w is None
    # 3 (3 - label) - 2 (3 - 2)
    torch.testing.assert_close(prediction.x[:, 0], torch.tensor([7.0, 4.0], dtype=F64))


def test_thresholding_comes_after_combination_and_moves_eps() -> None:
    """Branches 3 and 1 combine to 1.5 at w = -3/4; clipped one by one they would give 1."""
    guidance = ClassifierFreeGuidance(2)
    denoise = bind(Recorder(), LABEL, -0.75, guidance, StaticThresholding())
    unlimited = bind(Recorder(), LABEL, -0.75, guidance)(Z, T)
    assert unlimited.x[:, 0].tolist() == [1.5, 1.25]
    prediction = denoise(Z, T)
    assert prediction.x[:, 0].tolist() == [1.0, 1.0]
    level = SCHEDULE.level_like(T, Z)
    rebuilt = level.alpha * prediction.x + level.sigma * prediction.eps
    torch.testing.assert_close(rebuilt, Z, rtol=0, atol=1e-12)
    half = bind(Recorder(), LABEL, 1.0, guidance, StaticThresholding())(Z, T)
    assert half.x[:, 0].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(("label", "w"), [(None, 1.0), (LABEL, None)])
def test_guidance_needs_label_and_w(label: torch.Tensor | None, w: float | None) -> None:
    with pytest.raises(ValueError, match="guidance needs a label"):
        bind(Recorder(), label, w, NoGuidance(2))
