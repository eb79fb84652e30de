"""Stages: the order of what happens, what is handed on, and how divergence is told."""

import copy
from typing import Any

import pytest
import torch
from lightning import Trainer

from genrl.callbacks import StageCallback
from genrl.callbacks.stages import StagesCallback
from genrl.diffusion import Stage
from genrl.modules import DiffusionModule, DivergenceError


class Diary(StageCallback):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []
        self.learning_rates: list[float] = []

    def on_stage_start(self, trainer: Trainer, module: DiffusionModule, stage: Stage) -> None:
        assert module.stage is stage
        self.events.append(("start", stage.name, module.updates))
        assert not trainer.optimizers[0].state

    def on_update_end(self, trainer: Trainer, module: DiffusionModule, stage: Stage) -> None:
        self.events.append(("update", stage.name, module.updates))
        self.learning_rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    def on_stage_end(self, trainer: Trainer, module: DiffusionModule, stage: Stage) -> None:
        self.events.append(("end", stage.name, module.updates))
        assert trainer.optimizers[0].state


def test_order_of_events(make_run: Any, make_stage: Any) -> None:
    run = make_run(
        [make_stage("a", 2), make_stage("b", 1), make_stage("c", 2)],
        [[1.0] * 2, [1.0], [1.0] * 2],
        optimizer=torch.optim.Adam,
    )
    diary = Diary()
    run.fit(diary)
    assert diary.events == [
        ("start", "a", 0),
        ("update", "a", 1),
        ("update", "a", 2),
        ("end", "a", 2),
        ("start", "b", 2),
        ("update", "b", 3),
        ("end", "b", 3),
        ("start", "c", 3),
        ("update", "c", 4),
        ("update", "c", 5),
        ("end", "c", 5),
    ]


def test_followers_are_called_in_their_order(make_run: Any, make_stage: Any) -> None:
    order: list[str] = []

    class Named(StageCallback):
        def __init__(self, name: str) -> None:
            self.name = name

        @property
        def state_key(self) -> str:
            return self.name

        def on_stage_end(self, *_: Any) -> None:
            order.append(self.name)

    make_run([make_stage("a", 1)], [[1.0]]).fit(Named("first"), Named("second"))
    assert order == ["first", "second"]


class Stateful(StageCallback):
    """Has a state; an empty one is none."""

    def __init__(self, state: dict[str, Any], key: str) -> None:
        self.state, self.key = state, key

    @property
    def state_key(self) -> str:
        return self.key

    def state_dict(self) -> dict[str, Any]:
        return self.state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.state = state_dict


def test_states_of_followers_go_through_a_checkpoint() -> None:
    stored = StagesCallback([Stateful({"n": 1}, "a"), Stateful({}, "b"), Diary()], "").state_dict()
    assert stored == {"a": {"n": 1}}
    first, second, other = Stateful({}, "b"), Stateful({}, "a"), Stateful({"n": 7}, "c")
    StagesCallback([first, second, other], "").load_state_dict(stored)
    assert (first.state, second.state, other.state) == ({}, {"n": 1}, {"n": 7})


def test_two_followers_with_one_key_are_refused() -> None:
    followers = [Stateful({}, "a"), Stateful({}, "a")]
    with pytest.raises(ValueError, match="'a'"):
        StagesCallback(followers, "")
    StagesCallback([Diary(), Diary()], "")  # without a state there may be two


def test_learning_rate_falls_to_zero_in_each_stage(make_run: Any, make_stage: Any) -> None:
    run = make_run([make_stage("a", 4, 0.8), make_stage("b", 2, 0.1)], [[1.0] * 4, [1.0] * 2])
    run.module.warmup_updates = 2
    diary = Diary()
    diary.on_stage_start = diary.on_stage_end = lambda *_: None  # type: ignore[method-assign]
    run.fit(diary)
    expected = [0.8 / 3, 0.8 * 2 / 3 * 3 / 4, 0.8 * 2 / 4, 0.8 / 4, 0.1 / 3, 0.1 * 2 / 3 / 2]
    assert diary.learning_rates == pytest.approx(expected, rel=1e-12)


def test_the_student_becomes_the_teacher(make_run: Any, make_stage: Any) -> None:
    run = make_run([make_stage("a", 2), make_stage("b", 3)], [[1.0] * 2, [1.0] * 3])
    seen: dict[str, dict[str, torch.Tensor]] = {}

    class Watch(StageCallback):
        def on_stage_end(self, trainer: Any, module: DiffusionModule, stage: Stage) -> None:
            seen[stage.name] = copy.deepcopy(module.denoiser.state_dict())

    run.fit(Watch())
    teacher = run.module.teacher.state_dict()
    for name, value in seen["a"].items():
        assert torch.equal(teacher[name], value)
    weights = [p for name, p in run.module.denoiser.named_parameters()]
    frozen = [p for name, p in run.module.teacher.named_parameters()]
    # Gradient one for every weight: plain descent over the learning rates of stage b.
    travelled = 0.1 * (1 + 2 / 3 + 1 / 3)
    for own, before in zip(weights, frozen, strict=True):
        torch.testing.assert_close(own, before - travelled, rtol=0, atol=1e-6)
    assert all(p.grad is None and not p.requires_grad for p in frozen)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize(("index", "name", "update"), [(0, "a", 1), (2, "a", 3), (4, "b", 5)])
def test_a_loss_that_is_no_number_stops_at_once(
    make_run: Any, make_stage: Any, bad: float, index: int, name: str, update: int
) -> None:
    values = [1.0] * 6
    values[index] = bad
    stages = [make_stage("a", 3), make_stage("b", 3)]
    run = make_run(stages, [values[:3], values[3:]], optimizer=torch.optim.Adam)
    diary = Diary()
    with pytest.raises(DivergenceError) as caught:
        run.fit(diary, last="runs/x/last.ckpt")
    assert str(caught.value).startswith(
        f"loss or gradient became NaN or infinite in the stage '{name}', update {update}; "
        "the last good checkpoint is runs/x/last.ckpt. Lower the learning rate"
    )
    # No follower saw it: neither an average nor a checkpoint is made of such weights.
    assert ("update", name, update) not in diary.events
    assert ("end", name, update) not in diary.events


def test_a_gradient_that_is_no_number_stops_at_once(make_run: Any, make_stage: Any) -> None:
    run = make_run([make_stage("a", 3)], [[1.0] * 3])
    weight = next(run.module.denoiser.parameters())
    weight.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(DivergenceError, match="in the stage 'a', update 1;"):
        run.fit()


def test_an_update_that_is_no_number_is_left_out(make_run: Any, make_stage: Any) -> None:
    run = make_run([make_stage("a", 4)], [[1.0, float("nan"), 1.0, 1.0]])
    said: list[str] = []
    run.module.max_skipped, run.module.say = 1, said.append
    before = [p.detach().clone() for p in run.module.denoiser.parameters()]
    diary = Diary()
    diary.on_stage_end = lambda *_: None  # type: ignore[method-assign]
    run.fit(diary)
    # Gradient one for every weight, at the learning rates of the updates that count.
    travelled = 0.1 * (1 + 2 / 4 + 1 / 4)
    for own, start in zip(run.module.denoiser.parameters(), before, strict=True):
        torch.testing.assert_close(own, start - travelled, rtol=0, atol=1e-6)
    assert ("update", "a", 2) in diary.events
    assert said == [
        "update 2 is skipped: its loss or gradient is NaN or infinite "
        "(1 of at most 1: training.max_skipped)"
    ]


def test_moments_do_not_see_a_skipped_update(make_run: Any, make_stage: Any) -> None:
    run = make_run(
        [make_stage("a", 4)], [[1.0, float("inf"), 1.0, 1.0]], optimizer=torch.optim.Adam
    )
    run.module.max_skipped = 3
    trainer = run.fit()
    for state in trainer.optimizers[0].state.values():
        assert state["step"] == 3
        expected = torch.full_like(state["exp_avg"], 1 - 0.9**3)
        torch.testing.assert_close(state["exp_avg"], expected)


def test_too_many_skipped_updates_end_the_run(make_run: Any, make_stage: Any) -> None:
    nan = float("nan")
    run = make_run([make_stage("a", 3), make_stage("b", 2)], [[1.0, nan, 1.0], [1.0, nan]])
    run.module.max_skipped = 1
    with pytest.raises(DivergenceError, match="in the stage 'b', update 5;"):
        run.fit()
    assert run.module.skipped == 1


def test_the_count_of_skipped_updates_is_saved(make_run: Any, make_stage: Any) -> None:
    module, other = (make_run([make_stage("a", 3)], [[1.0] * 3]).module for _ in range(2))
    module.skipped, content = 2, {}
    module.on_save_checkpoint(content)
    other.on_load_checkpoint(content)
    assert other.skipped == 2


def test_opposite_infinities_do_not_cancel(make_run: Any, make_stage: Any) -> None:
    """On an accelerator many updates are looked at through one sum."""
    module = make_run([make_stage("a", 30)], [[1.0] * 30]).module
    callback = StagesCallback([], "last.ckpt", check_every=20)
    callback._suspect = torch.tensor(float("inf")) + torch.tensor(-float("inf"))
    module.metrics = {"loss": torch.tensor(1.0), "gradient_norm": torch.tensor(1.0)}
    with pytest.raises(DivergenceError):
        callback._check(module, "a", is_stage_end=False)
