"""Static thresholding clips x and moves ε with it."""

import torch

from genrl.diffusion.prediction import Prediction
from genrl.diffusion.schedules import CosineSchedule
from genrl.diffusion.thresholding import StaticThresholding

F64 = torch.float64


def test_clips_and_recomputes_eps() -> None:
    z = torch.tensor([[0.5, -0.5, 1.5]], dtype=F64)
    level = CosineSchedule().level_like(torch.tensor([0.6], dtype=F64), z)
    x = torch.tensor([[-3.0, 0.25, 1.5]], dtype=F64)
    prediction = StaticThresholding()(Prediction.from_x(x, z, level), z)
    assert prediction.x.tolist() == [[-1.0, 0.25, 1.0]]
    torch.testing.assert_close(
        level.alpha * prediction.x + level.sigma * prediction.eps, z, rtol=0, atol=1e-15
    )
