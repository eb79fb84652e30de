"""The batches are the same however training is divided among ranks or interrupted."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from lightning.fabric.utilities import move_data_to_device
from torch import Tensor

from genrl.data import DigitsSource, ExampleBatch, ExampleSet, TensorSet, TrainLoader
from genrl.registry import ConfigurationError

SIZE = 11
IMAGES = torch.arange(SIZE * 4, dtype=torch.float32).reshape(SIZE, 1, 1, 4)
LABELS = torch.arange(SIZE)


class SlowSet(ExampleSet):
    """Keeps the indices it was asked for; fails on one of them."""

    is_lazy = True

    def __init__(self, broken: int | None = None) -> None:
        self.broken = broken
        self.asked: list[list[int]] = []
        self.threads: set[str] = set()

    def __len__(self) -> int:
        return SIZE

    @property
    def labels(self) -> Tensor:
        return LABELS

    def batch(self, indices: Tensor, generators: object = None) -> ExampleBatch:
        self.asked.append(indices.tolist())
        self.threads.add(threading.current_thread().name)
        if self.broken in indices.tolist():
            raise ConfigurationError(f"file {self.broken} is broken")
        return ExampleBatch(IMAGES[indices], LABELS[indices])

    def fingerprint(self) -> str:
        return "slow"


def loader(examples: ExampleSet | None = None, **changes: Any) -> TrainLoader:
    arguments: dict[str, Any] = {"batch_size": 3, "num_batches": 20, "seed": 5} | changes
    return TrainLoader(examples or TensorSet(IMAGES, LABELS, flip=True), **arguments)


def same(one: Sequence[ExampleBatch], other: Sequence[ExampleBatch]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(a.x, b.x) and torch.equal(a.label, b.label)  # type: ignore[arg-type]
        for a, b in zip(one, other, strict=True)
    )


def test_the_length_is_the_number_of_batches() -> None:
    assert len(loader()) == len(list(loader())) == 20


def test_each_epoch_visits_every_example_once() -> None:
    seen = torch.cat([batch.label for batch in loader(num_batches=44)])  # type: ignore[misc]
    for epoch in seen.reshape(-1, SIZE):
        assert sorted(epoch.tolist()) == list(range(SIZE))


def test_a_batch_larger_than_the_set_goes_on_with_the_next_epoch() -> None:
    seen = torch.cat([b.label for b in loader(batch_size=44, num_batches=1)])  # type: ignore[misc]
    assert all(sorted(epoch.tolist()) == list(range(SIZE)) for epoch in seen.reshape(4, SIZE))
    small = torch.cat([b.label for b in loader(batch_size=2, num_batches=22)])  # type: ignore[misc]
    assert torch.equal(seen, small)


@pytest.mark.parametrize(("world_size", "batch_size"), [(2, 6), (3, 4), (4, 3), (12, 1)])
def test_the_ranks_together_see_the_batch_of_one_process(world_size: int, batch_size: int) -> None:
    whole = list(loader(batch_size=12))
    ranks = [
        list(loader(batch_size=batch_size, rank=rank, world_size=world_size))
        for rank in range(world_size)
    ]
    joined = [
        ExampleBatch(torch.cat([b.x for b in parts]), torch.cat([b.label for b in parts]))
        for parts in zip(*ranks, strict=True)
    ]
    assert same(joined, whole)


def test_resuming_at_every_position_equals_the_uninterrupted_run() -> None:
    whole = list(loader())
    for position in range(21):
        first = loader()
        iterator = iter(first)
        batches = [next(iterator) for _ in range(position)]
        second = loader()
        second.load_state_dict(first.state_dict())
        assert second.position == position
        assert same([*batches, *second], whole)


def test_iterating_again_goes_on_where_it_stopped() -> None:
    whole, interrupted = list(loader()), loader()
    for _ in zip(range(7), interrupted, strict=False):
        pass
    assert same(list(interrupted), whole[7:])
    assert list(interrupted) == []


def test_any_batch_can_be_asked_for_alone() -> None:
    whole = list(loader())
    assert same([loader().batch(u) for u in (13, 2)], [whole[13], whole[2]])


def test_flips_belong_to_the_position_and_change_from_epoch_to_epoch() -> None:
    def flips(seed: int) -> tuple[Tensor, Tensor]:
        batches = list(loader(num_batches=110, seed=seed))
        labels = torch.cat([b.label for b in batches])  # type: ignore[misc]
        x = torch.cat([b.x for b in batches])
        return (x != IMAGES[labels]).flatten(1).any(1), labels

    is_flipped, labels = flips(5)
    assert abs(is_flipped.float().mean().item() - 0.5) < 4 * 0.5 / 330**0.5
    for example in range(SIZE):
        assert 0 < is_flipped[labels == example].sum() < 30
    assert not torch.equal(is_flipped, flips(6)[0])


def test_prefetching_changes_nothing() -> None:
    plain = list(loader(TensorSet(IMAGES, LABELS)))
    for prefetch in (0, 1, 2, 50):
        examples = SlowSet()
        assert same(list(loader(examples, prefetch=prefetch)), plain)
        assert len(examples.asked) == 20
        assert (examples.threads == {"MainThread"}) == (prefetch == 0)


def test_prefetching_is_bounded_and_does_not_move_the_position() -> None:
    examples = SlowSet()
    batches = loader(examples, prefetch=2)
    iterator = iter(batches)
    next(iterator)
    deadline = time.monotonic() + 5
    while len(examples.asked) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.02)
    assert len(examples.asked) == 3
    assert batches.state_dict()["position"] == 1
    resumed = loader(SlowSet(), prefetch=2)
    resumed.load_state_dict(batches.state_dict())
    assert same(list(resumed), list(iterator))


def test_a_prefetched_error_surfaces_at_its_own_batch() -> None:
    whole = list(loader(SlowSet()))
    bad = int(whole[2].label[1])  # type: ignore[index]
    iterator = iter(loader(SlowSet(broken=bad), prefetch=4))
    assert same([next(iterator), next(iterator)], whole[:2])
    with pytest.raises(ConfigurationError, match=f"file {bad} is broken"):
        next(iterator)


def test_no_thread_is_left_when_iteration_is_given_up() -> None:
    iterator = iter(loader(SlowSet()))
    next(iterator)
    del iterator
    assert not [t for t in threading.enumerate() if t.name.startswith("prefetch")]


def test_changed_data_is_refused() -> None:
    state = loader().state_dict()
    other = loader(TensorSet(IMAGES + 1, LABELS))
    with pytest.raises(ConfigurationError, match=r"data has changed.*restore the data"):
        other.load_state_dict(state)
    assert other.position == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 6}, "seed 5, not 6"),
        ({"batch_size": 4}, "global batch size 3, not 4"),
        ({"world_size": 2}, "global batch size 3, not 6"),
    ],
)
def test_another_sequence_of_batches_is_refused(changes: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        loader(**changes).load_state_dict(loader().state_dict())


@pytest.mark.parametrize(
    "changes",
    [
        {"batch_size": 0},
        {"num_batches": -1},
        {"prefetch": -1},
        {"rank": 1},
        {"rank": -1, "world_size": 2},
    ],
)
def test_numbers_out_of_range_are_refused(changes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(changes))):
        loader(**changes)


def test_lightning_moves_a_batch_with_and_without_labels() -> None:
    moved = move_data_to_device(ExampleBatch(IMAGES, None), torch.device("meta"))
    assert isinstance(moved, ExampleBatch)
    assert moved.x.device.type == "meta"
    assert moved.label is None
    moved = move_data_to_device(ExampleBatch(IMAGES, LABELS), torch.device("meta"))
    assert moved.label is not None
    assert moved.label.device.type == "meta"


class Recorder(lightning.LightningModule):
    """Keeps the labels it is trained on."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(64, 1)
        self.seen: list[list[int]] = []

    def training_step(self, batch: ExampleBatch) -> Tensor:
        assert batch.label is not None
        self.seen.append(batch.label.tolist())
        return self.layer(batch.x.flatten(1)).square().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.01)


@pytest.mark.filterwarnings("ignore")
def test_lightning_resumes_in_the_middle_and_sees_the_same_batches(tmp_path: Path) -> None:
    def fit(steps: int, checkpoint: str | None = None) -> tuple[Recorder, lightning.Trainer]:
        trainer = lightning.Trainer(
            max_steps=steps,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        torch.manual_seed(0)
        module = Recorder()
        batches = TrainLoader(DigitsSource().train(), batch_size=500, num_batches=12, seed=1)
        trainer.fit(module, batches, ckpt_path=checkpoint, weights_only=True)
        return module, trainer

    whole, _ = fit(12)
    first, trainer = fit(5)
    path = str(tmp_path / "last.ckpt")
    trainer.save_checkpoint(path)
    second, _ = fit(12, path)
    assert len(whole.seen) == 12
    assert [*first.seen, *second.seen] == whole.seen
    assert torch.equal(second.layer.weight, whole.layer.weight)
