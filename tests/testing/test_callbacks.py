"""The check of callbacks accepts genrl's own and names what a resumed run would lose."""

from typing import Any

import pytest

from genrl.callbacks import PosthocEMACallback, RunContext, StageCallback
from genrl.testing import CheckError
from genrl.testing.callbacks import check_callback


def test_genrls_own_pass() -> None:
    check_callback(lambda context: PosthocEMACallback(context, snapshots=2))


class _Counter(StageCallback[Any]):
    """Counts updates in a file; each flaw loses something else."""

    def __init__(self, context: RunContext) -> None:
        self.path, self.count = context.folder.path / "count.txt", 0

    def on_update_end(self, trainer: Any, module: Any, stage: Any) -> None:
        self.count += 1

    def on_stage_end(self, trainer: Any, module: Any, stage: Any) -> None:
        with self.path.open("a") as file:
            file.write(f"{stage.name} {module.updates}\n")


class _Stored(_Counter):
    def state_dict(self) -> dict[str, Any]:
        return {"count": self.count}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.count = state_dict["count"]


class _Forgotten(_Stored):
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Forgets."""


class _Rows(_Stored):
    def on_update_end(self, trainer: Any, module: Any, stage: Any) -> None:
        super().on_update_end(trainer, module, stage)
        with self.path.open("a") as file:
            file.write(f"{module.updates}\n")


class _Meddling(_Counter):
    def on_update_end(self, trainer: Any, module: Any, stage: Any) -> None:
        self.count = getattr(self, "count", 0) + 1
        next(module.denoiser.network.parameters()).data.mul_(1 + self.count)


def test_a_callback_that_keeps_its_state_passes() -> None:
    check_callback(_Stored)


@pytest.mark.parametrize(
    ("build", "what"),
    [
        (_Forgotten, "the callback's state differ"),
        (_Rows, "its files differ"),
        (_Meddling, "the trained weights differ"),
    ],
)
def test_what_is_lost_is_named(build: Any, what: str) -> None:
    with pytest.raises(CheckError, match=f"killed after update 4 of 9 .*: {what}"):
        check_callback(build)
