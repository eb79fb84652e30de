"""The stages of the later ladders, written out."""

import pytest

from genrl.diffusion.ladders import ConsistencyLadder, TractLadder, ladders
from genrl.registry import ConfigurationError

GUIDED = {"use_guidance": True}
W = {"w_min": 0.0, "w_max": 2.0, "w_exponent": 1.0}


def test_consistency_by_distillation_and_by_tuning() -> None:
    for method, own in (
        ("distillation", {"intervals": 32, "average_decay": 0.9}),
        ("tuning", {"doublings": 5}),
    ):
        ladder = ConsistencyLadder(
            method=method,
            intervals=32,
            average_decay=0.9,
            doublings=5,
            **W,
            guided_updates=3,
            updates=7,
            learning_rate=1e-4,
        )
        guided, last = ladder.stages()
        assert (guided.name, guided.updates, guided.is_guided, guided.use_ema) == (
            "guided", 3, True, False,
        )  # fmt: skip
        assert guided.objective == {"name": "guided_distillation", **W}
        assert last.objective == {"name": f"consistency_{method}", **own, **W, **GUIDED}
        assert (last.name, last.updates, last.learning_rate) == ("consistency", 7, 1e-4)
        assert (last.num_steps, last.is_guided, last.use_ema) == (1, True, True)


def test_tract_by_any_ratio() -> None:
    ladder = TractLadder(start=60, steps=(12, 4, 1), average_decay=0.4, **W, updates=9)
    guided, *students = ladder.stages()
    assert guided.name == "guided"
    assert [(s.name, s.num_steps, s.updates, s.is_guided) for s in students] == [
        ("12", 12, 9, True), ("4", 4, 9, True), ("1", 1, 9, True),
    ]  # fmt: skip
    assert [(s.objective["steps"], s.objective["factor"]) for s in students] == [
        (12, 5), (4, 3), (1, 4),
    ]  # fmt: skip
    assert students[0].objective == {
        "name": "tract", "steps": 12, "factor": 5, "average_decay": 0.4, **W, **GUIDED,
    }  # fmt: skip


@pytest.mark.parametrize("steps", [[], [8, 3], [64], [8, 8], [0]])
def test_tract_refuses_what_does_not_divide(steps: list[int]) -> None:
    with pytest.raises(ConfigurationError, match="must be a whole part of the one before"):
        ladders.build({"name": "tract", "steps": steps})


def test_an_impossible_range_of_w() -> None:
    for name in ("consistency", "tract"):
        with pytest.raises(ConfigurationError, match="w runs from w_min >= -1 to w_max"):
            ladders.build({"name": name, "w_min": 3.0, "w_max": 2.0})


@pytest.mark.parametrize("name", ["consistency", "progressive", "tract"])
def test_without_guidance_there_is_no_guided_stage(name: str) -> None:
    for stage in ladders.build({"name": name, "use_guidance": False}).stages():
        assert not stage.is_guided
        assert stage.objective["use_guidance"] is False
