"""No thresholding changes nothing, not even the rounding."""

import torch

from genrl.diffusion.prediction import Prediction
from genrl.diffusion.schedules import CosineSchedule
from genrl.diffusion.thresholding import NoThresholding


def test_leaves_the_prediction_alone() -> None:
    z = torch.tensor([[0.5, -7.0]])
    level = CosineSchedule().level_like(torch.tensor([0.6]), z)
    prediction = Prediction.from_x(torch.tensor([[-3.0, 9.0]]), z, level)
    assert NoThresholding()(prediction, z) is prediction
    assert NoThresholding().limit(z) is z
