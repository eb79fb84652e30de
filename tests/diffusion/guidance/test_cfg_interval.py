"""Interval guidance: classifier-free guidance inside, the conditional model outside."""

import pytest
import torch

from genrl.diffusion.guidance import CfgIntervalGuidance, ClassifierFreeGuidance, guidances
from genrl.registry import ConfigurationError


def test_inside_and_outside(mixture) -> None:
    log_snr = mixture.schedule.log_snr(mixture.t)
    low, high = log_snr[3].item(), log_snr[1].item()
    guided = CfgIntervalGuidance(2, low=low - 1e-9, high=high + 1e-9)(*mixture.arguments)
    everywhere = ClassifierFreeGuidance(2)(*mixture.arguments)
    conditional = mixture.model(mixture.z, mixture.t, mixture.label)
    for field in ("x", "eps"):
        value = getattr(guided, field)
        inside, outside = [1, 2, 3], [0, 4, 5]
        torch.testing.assert_close(
            value[inside], getattr(everywhere, field)[inside], rtol=1e-13, atol=1e-13
        )
        assert torch.equal(value[outside], getattr(conditional, field)[outside])
        assert not torch.allclose(value[1:4], getattr(conditional, field)[1:4])


def test_the_whole_axis_is_guidance_everywhere(mixture) -> None:
    guided = CfgIntervalGuidance(2, low=-50, high=50)(*mixture.arguments)
    torch.testing.assert_close(
        guided.x, ClassifierFreeGuidance(2)(*mixture.arguments).x, rtol=1e-13, atol=1e-13
    )


def test_an_empty_interval_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"low \(3.0\) must not be above high \(2.5\)"):
        guidances.build({"name": "cfg_interval", "low": 3.0}, 2)
