"""Proof of an imitation loss: rewards of the right form and sign, and a run that can be resumed."""

import io
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from genrl.diffusion import Denoiser
from genrl.diffusion.building import build_denoiser
from genrl.imitation.losses.base import ImitationLoss, ImitationParts, RewardModel, SupervisedLoss
from genrl.rl.policies.gaussian import GaussianPolicy
from genrl.rl.spec import EnvSpec
from genrl.rl.transitions import Transitions, simple_transitions
from genrl.testing.demonstrations import small_demonstrations
from genrl.testing.diffusion.figures import Figures, require
from genrl.typing import DataSpec

SPEC = EnvSpec("a test", 3, 2, False, (-1.0, -1.0), (1.0, 1.0), 50)


def check_imitation_loss(build: Callable[[ImitationParts], ImitationLoss]) -> Figures:
    """A learned reward, or a loss of the policy, on two small episodes of an expert.

    A reward is finite, has the leading shape of the steps and no gradient, keeps to its ``sign``,
    and is a function of the seeds. Stored after an update and loaded into a fresh model, it goes on
    as if nothing had happened. A supervised loss is a finite scalar whose gradient reaches the
    policy, and a function of its generator.

    Args:
        build: makes the loss of its collaborators.

    Returns:
        ``expert_reward`` and ``learner_reward``, means after an update; or the ``loss``.

    Raises:
        CheckError: naming the first promise that is broken.
    """

    def make() -> ImitationLoss:
        torch.manual_seed(0)
        return build(ImitationParts(SPEC, small_demonstrations(), _denoiser, _expert))

    with torch.random.fork_rng():
        built = make()
        if isinstance(built, SupervisedLoss):
            return _check_supervised(built)
        require(
            isinstance(built, RewardModel),
            f"{type(built).__name__} is neither a RewardModel nor a SupervisedLoss",
        )
        return _check_reward(make)


def _check_reward(make: Callable[[], ImitationLoss]) -> Figures:
    model, again = make(), make()
    assert isinstance(model, RewardModel)
    assert isinstance(again, RewardModel)
    for one in (model, again):
        one.fit(_generator(1))
    for shape in ((5,), (3, 4)):
        steps = _learner(*shape, seed=2)
        reward = model.reward(steps)
        require(
            reward.shape == shape and reward.dtype == torch.float32 and not reward.requires_grad,
            f"the reward of steps of shape {shape} is {tuple(reward.shape)} in {reward.dtype}"
            f"{', with gradient' if reward.requires_grad else ''}",
        )
    for seed in (3, 4):
        seen = [one.update(_learner(40, seed=seed), _generator(seed)) for one in (model, again)]
        _require_numbers(seen[0])
    expert = model.parts.demonstrations.transitions() if model.parts.demonstrations else None
    steps = _learner(40, seed=5)
    rewards = [model.reward(steps)] + ([] if expert is None else [model.reward(expert)])
    figures = {
        "learner_reward": rewards[0].mean().item(),
        "expert_reward": rewards[-1].mean().item(),
    }
    require(all(bool(r.isfinite().all()) for r in rewards), "a reward is not finite", figures)
    joined = torch.cat(rewards)
    wrong = {"positive": joined < 0, "negative": joined > 0}.get(model.sign)
    kept = wrong is None or not bool(wrong.any())
    require(kept, f"its sign is '{model.sign}', but a reward is not", figures)
    require(
        torch.equal(again.reward(steps), rewards[0]),
        "the same seeds give other rewards: draw everything from the generator of update and fit",
        figures,
    )
    _check_resume(model, make(), steps, figures)
    return figures


def _check_resume(
    model: RewardModel, fresh: ImitationLoss, steps: Transitions, figures: Figures
) -> None:
    assert isinstance(fresh, RewardModel)
    stored = io.BytesIO()
    torch.save(model.state_dict(), stored)
    stored.seek(0)
    fresh.load_state_dict(torch.load(stored, weights_only=True))
    for one in (model, fresh):
        one.update(_learner(40, seed=6), _generator(6))
    require(
        torch.equal(fresh.reward(steps), model.reward(steps)),
        "a model that was stored and loaded goes on with other rewards: what an update depends on "
        "is missing from its state (weights, buffers, get_extra_state)",
        figures,
    )


def _check_supervised(built: SupervisedLoss) -> Figures:
    policy = GaussianPolicy(SPEC, features=(8,))
    episode = small_demonstrations().episodes[0]
    obs, action = episode.obs[:30].view(30, 1, -1), episode.action[:30].view(30, 1, -1)
    valid = torch.ones(30, 1, dtype=torch.bool)
    losses = [built.loss(policy, obs, action, valid, _generator(1)) for _ in range(2)]
    figures = {"loss": losses[0].mean().item()}
    require(losses[0].shape == (), f"the loss has the shape {tuple(losses[0].shape)}", figures)
    require(bool(losses[0].isfinite()), "the loss is not finite", figures)
    require(torch.equal(losses[0], losses[1]), "the same generator gives another loss", figures)
    losses[0].backward()  # type: ignore[no-untyped-call]
    reached = any(p.grad is not None and bool(p.grad.any()) for p in policy.parameters())
    require(reached, "no gradient reaches the policy", figures)
    return figures


def _require_numbers(metrics: Mapping[str, float]) -> None:
    for name, value in metrics.items():
        is_number = isinstance(value, int | float) and value == value
        require(is_number, f"the metric '{name}' is {value!r}, not a number")


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _learner(*shape: int, seed: int) -> Transitions:
    """Steps of somebody who is elsewhere."""
    generator = _generator(seed)
    obs, action, next_obs = (torch.randn(*shape, size, generator=generator) for size in (3, 2, 3))
    return simple_transitions(obs, action, next_obs)


def _denoiser(spec: DataSpec) -> Denoiser:
    network = {"name": "mlp", "features": 8}
    return build_denoiser(spec, network=network, schedule="cosine", parameterization="eps")


def _expert(obs: Tensor) -> Tensor:
    return torch.zeros(len(obs), SPEC.action_size)
