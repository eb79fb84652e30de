"""The stages of the progressive ladder, written out."""

from typing import Any

import pytest

from genrl.diffusion.ladders import ProgressiveLadder, ladders
from genrl.diffusion.objectives import objectives
from genrl.registry import ConfigurationError


def test_halving_from_sixteen() -> None:
    ladder = ProgressiveLadder(
        w_min=0.5,
        w_max=3.0,
        w_exponent=1.5,
        guided_updates=11,
        guided_learning_rate=2e-3,
        updates=7,
        learning_rate=1e-4,
        last_updates=9,
    )
    guided, *students = ladder.stages()
    w_range = {"w_min": 0.5, "w_max": 3.0, "w_exponent": 1.5}
    assert guided.name == "guided"
    assert guided.objective == {"name": "guided_distillation", **w_range}
    assert (guided.updates, guided.learning_rate, guided.num_steps) == (11, 2e-3, None)
    assert [student.name for student in students] == ["16", "8", "4", "2", "1"]
    assert [student.num_steps for student in students] == [16, 8, 4, 2, 1]
    assert [student.updates for student in students] == [7, 7, 7, 9, 9]
    for student in students:
        assert student.learning_rate == 1e-4
        assert student.objective == {
            "name": "progressive_distillation",
            "steps": student.num_steps,
            "factor": 2,
            "use_guidance": True,
            **w_range,
        }
    assert all(stage.is_guided and not stage.use_ema for stage in ladder.stages())


@pytest.mark.parametrize(
    ("parameters", "steps"),
    [
        ({"start": 64, "end": 1, "factor": 4}, [64, 16, 4, 1]),
        ({"start": 27, "end": 3, "factor": 3}, [27, 9, 3]),
        ({"start": 8, "end": 8}, [8]),
        ({"start": 1, "end": 1, "factor": 7}, [1]),
        ({"start": 12, "end": 3}, [12, 6, 3]),
    ],
)
def test_numbers_of_steps(parameters: dict[str, int], steps: list[int]) -> None:
    ladder = ProgressiveLadder(**parameters)
    students = ladder.stages()[1:]
    assert [student.num_steps for student in students] == steps
    assert {student.objective["factor"] for student in students} == {parameters.get("factor", 2)}
    assert [student.name for student in students] == [str(n) for n in steps]


def test_last_updates_are_the_others_unless_given() -> None:
    stages = ProgressiveLadder(updates=5).stages()
    assert {stage.updates for stage in stages[1:]} == {5}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"factor": 1}, "factor must be at least 2, not 1"),
        ({"start": 12}, "start=12 cannot be divided by factor=2 down to end=1; it gives 12, 6, 3"),
        ({"start": 64, "end": 2, "factor": 4}, "down to end=2; it gives 64, 16, 4, 1"),
        ({"start": 4, "end": 8}, "down to end=8; it gives 4"),
        ({"start": 8, "end": 0}, "down to end=0"),
        ({"start": 0, "end": 0}, "down to end=0"),
        ({"start": -4, "end": -4}, "down to end=-4"),
        ({"w_min": 3.0, "w_max": 2.0}, "w runs from w_min >= -1 to w_max, not from 3.0 to 2.0"),
        ({"w_min": -1.5}, "w runs from w_min >= -1"),
    ],
)
def test_ladders_that_lead_nowhere(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        ladders.build({"name": "progressive", **parameters})


def test_objectives_exist_and_take_these_parameters() -> None:
    for stage in ProgressiveLadder().stages():
        known = {parameter.name for parameter in objectives.parameters(stage.objective["name"])}
        assert set(stage.objective) - {"name"} <= known


def test_no_ladder() -> None:
    assert ladders.build("none").stages() == []
