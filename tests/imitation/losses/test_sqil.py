"""SQIL: half of a batch is the expert's, paid 1; on-policy algorithms are refused."""

from collections.abc import Callable

import pytest
import torch

from genrl.imitation.demonstrations import Demonstrations
from genrl.imitation.losses import RewardModel
from genrl.registry import ConfigurationError
from genrl.rl.advantages import GAE
from genrl.rl.algorithms import PPO, SAC, Parts
from genrl.rl.buffers import ReplayBuffer
from genrl.rl.critics import TwinQCritic, ValuePerceptron
from genrl.rl.normalization import ObservationNormalizer
from genrl.rl.policies import GaussianPolicy, TanhGaussianPolicy
from genrl.rl.spec import EnvSpec
from genrl.rl.transitions import Transitions

Build = Callable[..., RewardModel]
Draw = Callable[..., Transitions]


def test_own_steps_are_paid_nothing(build: Build, draw: Draw) -> None:
    assert not build("sqil").reward(draw(4, 3)).any()


def test_as_many_demonstrated_steps_are_joined_and_paid(
    build: Build, draw: Draw, demonstrations: Demonstrations
) -> None:
    model, steps = build("sqil", expert_reward=2.0), draw(64)
    relabelled = Transitions(**{**vars(steps), "reward": model.reward(steps)})
    mixed = model.mix(relabelled, torch.Generator().manual_seed(0))
    assert len(mixed) == 128
    assert torch.equal(mixed.obs[:64], steps.obs)
    assert mixed.reward.tolist() == [0.0] * 64 + [2.0] * 64
    known = demonstrations.transitions()
    for row in range(64, 128):
        match = (known.obs == mixed.obs[row]).all(1).nonzero().item()
        for field in ("action", "next_obs", "terminated", "truncated"):
            assert torch.equal(getattr(mixed, field)[row], getattr(known, field)[match])


def test_demonstrations_are_drawn_uniformly(build: Build, draw: Draw) -> None:
    model = build("sqil")
    mixed = model.mix(draw(8000), torch.Generator().manual_seed(0))
    _, counts = mixed.obs[8000:, 0].unique(return_counts=True)
    assert len(counts) == 80
    # Chi-squared of 79 degrees: mean 79, standard deviation 12.6.
    assert float(((counts - 100) ** 2 / 100).sum()) < 79 + 5 * 12.6


def test_an_on_policy_algorithm_is_refused_with_the_way_out(build: Build, spec: EnvSpec) -> None:
    policy = GaussianPolicy(spec)
    algorithm = PPO(Parts(spec, policy, ValuePerceptron(spec, policy.num_features), GAE()))
    with pytest.raises(ConfigurationError, match=r"PPO has none: take .* algorithm=sac"):
        build("sqil").attach(algorithm, ObservationNormalizer(3, is_active=False))


def test_an_off_policy_algorithm_learns_from_both_halves(
    build: Build, draw: Draw, spec: EnvSpec
) -> None:
    policy, critic, buffer = TanhGaussianPolicy(spec), TwinQCritic(spec, 3), ReplayBuffer()
    algorithm = SAC(Parts(spec, policy, critic, buffer=buffer, gamma=0.9), batch_size=256)
    model = build("sqil")
    model.attach(algorithm, ObservationNormalizer(3, is_active=False))
    buffer.add(draw(100, 1), torch.ones(100, 1, dtype=torch.bool))

    class Interaction:
        """What `draw` needs of an interaction."""

        reward, generator = model, torch.Generator().manual_seed(0)
        scaler = staticmethod(lambda reward: reward)
        normalizer = ObservationNormalizer(3, is_active=False)

    batch = algorithm.draw(Interaction())  # type: ignore[arg-type]
    assert batch.reward.tolist() == [0.0] * 256 + [1.0] * 256
    assert sorted(set(batch.discount[256:].tolist())) == pytest.approx([0.0, 0.9])
    assert batch.features.shape == (512, 3)


def test_a_reward_that_is_not_positive_is_refused(build: Build) -> None:
    with pytest.raises(ValueError, match="expert_reward must be positive"):
        build("sqil", expert_reward=0.0)
