"""Rewards of logits against probabilities in double precision, and where those overflow."""

import math

import pytest
import torch

from genrl.imitation.signs import reward_of_logit, uninformative_reward


def test_an_uninformative_discriminator_pays_ln_2_its_negative_or_nothing() -> None:
    paid = {sign: uninformative_reward(sign) for sign in ("positive", "negative", "unbiased")}
    assert paid == {"positive": math.log(2), "negative": -math.log(2), "unbiased": 0.0}


def test_rewards_equal_their_logarithms_of_probabilities() -> None:
    d = torch.linspace(-8, 8, 41, dtype=torch.float64)
    of_expert = 1 / (1 + (-d).exp())
    expected = {
        "positive": -(1 - of_expert).log(),
        "negative": of_expert.log(),
        "unbiased": of_expert.log() - (1 - of_expert).log(),
    }
    for sign, reward in expected.items():
        torch.testing.assert_close(reward_of_logit(d, sign), reward, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(("sign", "logit"), [("positive", 120.0), ("negative", -120.0)])
def test_rewards_stay_exact_where_a_probability_rounds_to_0_or_1(sign: str, logit: float) -> None:
    reward = reward_of_logit(torch.tensor([logit]), sign)
    assert reward.item() == pytest.approx(logit)
    other = reward_of_logit(torch.tensor([-logit]), sign)
    assert other.item() == pytest.approx(0.0, abs=1e-30)


def test_signs_agree_on_the_order_of_steps_and_differ_in_their_sign() -> None:
    d = torch.linspace(-30, 30, 61, dtype=torch.float64)
    for sign in ("positive", "negative", "unbiased"):
        assert bool((reward_of_logit(d, sign).diff() > 0).all())
    assert bool((reward_of_logit(d, "positive") > 0).all())
    assert bool((reward_of_logit(d, "negative") < 0).all())
