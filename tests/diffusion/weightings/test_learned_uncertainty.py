"""The learned log-variance: its optimum in closed form, and that it belongs to the run."""

import pytest
import torch

from genrl.config import compose
from genrl.data import ExampleBatch
from genrl.diffusion.objectives.base import x_loss
from genrl.diffusion.schedules import CosineSchedule, VdmLinearSchedule
from genrl.diffusion.weightings import LearnedUncertaintyWeighting, SnrPlusOneWeighting, weightings
from genrl.modules import DiffusionModule
from genrl.registry import ConfigurationError
from genrl.tasks.build import build_data, build_module, build_stages

SCHEDULE = VdmLinearSchedule()


def test_it_begins_as_its_base() -> None:
    weighting = LearnedUncertaintyWeighting(SCHEDULE)
    t = torch.linspace(0, 1, 33)
    assert torch.equal(weighting(t), SnrPlusOneWeighting(SCHEDULE)(t))
    assert torch.equal(weighting.log_variance(t), torch.zeros(33))
    other = weightings.build({"name": "learned_uncertainty", "base": "uniform"}, SCHEDULE)
    assert torch.equal(other(t), torch.ones(33))


def test_loss_by_hand() -> None:
    """weight · error / e^u + u, and a weighting without u adds nothing."""
    x, target = torch.tensor([[1.0, 3.0], [0.0, 0.0]]), torch.zeros(2, 2)
    weight, u = torch.tensor([2.0, 5.0]), torch.tensor([0.5, -0.3])
    loss = x_loss(x, target, weight, u)
    by_hand = (10.0 * torch.exp(torch.tensor(-0.5)) + 0.5 - 0.3) / 2
    torch.testing.assert_close(loss.loss, by_hand)
    assert loss.metrics["x_error"].item() == pytest.approx(2.5)
    assert x_loss(x, target, weight).loss.item() == pytest.approx(5.0)


def test_at_its_optimum_it_is_the_log_of_the_expected_weighted_error() -> None:
    """Errors with E[w err] = exp(2 + sin(λ/4)): u converges to 2 + sin(λ/4)."""
    weighting = LearnedUncertaintyWeighting(SCHEDULE, base="uniform")
    optimizer = torch.optim.Adam(weighting.trainable.parameters(), lr=0.05)
    generator = torch.Generator().manual_seed(0)

    def wanted(t: torch.Tensor) -> torch.Tensor:
        return 2 + torch.sin(SCHEDULE.log_snr(t) / 4)

    for step in range(600):
        for group in optimizer.param_groups:
            group["lr"] = 0.05 * (1 - step / 600)
        t = torch.rand(512, generator=generator)
        draws = -torch.log1p(-torch.rand(512, generator=generator))  # exponential, mean 1
        off = (wanted(t).exp() * draws).sqrt()[:, None]
        loss = x_loss(off, torch.zeros_like(off), weighting(t), weighting.log_variance(t))
        optimizer.zero_grad()
        loss.loss.backward()
        optimizer.step()
    t = torch.linspace(0.02, 0.98, 97)
    assert (weighting.log_variance(t) - wanted(t)).abs().max() < 0.1


def test_every_noise_level_pulls_alike() -> None:
    """At the optimum the gradient is that of log E[w err], in which w cancels."""
    t = torch.full((4,), 0.3)
    error = torch.tensor([[0.1], [0.2], [0.4], [0.1]])
    gradients = []
    for base in ("uniform", "snr"):
        weighting = LearnedUncertaintyWeighting(SCHEDULE, base=base)
        x = error.clone().requires_grad_()
        best = (weighting(t) * error.square()[:, 0]).mean().log()
        x_loss(x, torch.zeros_like(x), weighting(t), best.expand(4)).loss.backward()
        assert x.grad is not None
        gradients.append(x.grad)
    torch.testing.assert_close(gradients[0], gradients[1])
    torch.testing.assert_close(gradients[0], 2 * error / error.square().sum())


def test_impossible_choices_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="another weighting as its base"):
        LearnedUncertaintyWeighting(SCHEDULE, base="learned_uncertainty")
    with pytest.raises(ConfigurationError, match="no weighting is called 'snrr'"):
        LearnedUncertaintyWeighting(SCHEDULE, base="snrr")
    with pytest.raises(ConfigurationError, match="even number of features"):
        weightings.build({"name": "learned_uncertainty", "features": 7}, SCHEDULE)


def module() -> DiffusionModule:
    """Teacher, guided and one progressive stage over a small perceptron."""
    config = compose(
        [
            "data=gaussian_mixture",
            "network=mlp_small",
            "distill=progressive",
            "distill.start=1",
            "weighting=learned_uncertainty",
            "feature=identity",
        ]
    )
    spec = build_data(config).spec
    return build_module(config, spec, build_stages(config, has_teacher=False))


def test_it_is_trained_saved_and_restored_with_the_student() -> None:
    mine = module()
    (learned,) = mine.learned
    assert isinstance(mine.objectives[0].parts.weighting, LearnedUncertaintyWeighting)
    assert all(objective.trainable is learned for objective in mine.objectives)
    optimizer = mine.configure_optimizers()
    trained = {id(p) for group in optimizer.param_groups for p in group["params"]}
    parameters = [*mine.denoiser.parameters(), *learned.parameters()]
    assert trained == {id(p) for p in parameters}
    assert len(parameters) == sum(len(group["params"]) for group in optimizer.param_groups)
    for objective in mine.objectives:
        generator = torch.Generator().manual_seed(0)
        batch = ExampleBatch(torch.randn(8, 2, generator=generator), torch.arange(8) % 2)
        optimizer.zero_grad()
        objective(mine.denoiser, mine.teacher, batch.x, batch.label, generator).loss.backward()
        assert all(p.grad is not None for p in learned.parameters())
        assert any(p.grad.abs().sum() > 0 for p in learned.parameters())
    optimizer.step()
    other = module()
    other.load_state_dict(mine.state_dict())
    t = torch.linspace(0, 1, 9)
    before = mine.objectives[0].parts.weighting.log_variance(t)
    assert before.abs().max() > 0
    assert torch.equal(other.objectives[-1].parts.weighting.log_variance(t), before)


def test_other_weightings_train_nothing_and_leave_checkpoints_as_they_were() -> None:
    config = compose(["data=gaussian_mixture", "network=mlp_small", "feature=identity"])
    spec = build_data(config).spec
    plain = build_module(config, spec, build_stages(config, has_teacher=False))
    assert not list(plain.learned.parameters())
    assert not any(key.startswith("learned") for key in plain.state_dict())
    assert weightings.build("snr", CosineSchedule()).log_variance(torch.zeros(3)) is None
