"""Batches for training: sized, stateful, and the same however the work is split or interrupted.

Batch number u of a run is a pure function of (seed, u). The global batch takes the consecutive
positions [u B, (u + 1) B) of the endless sequence of `EpochOrder`, B = batch_size · world_size, and
rank r takes its contiguous slice: the union over the ranks, in order, is the batch of one process
with batch size B. The generator of an example's augmentation is seeded by (seed, position).
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from genrl.data.base import ExampleBatch, ExampleSet
from genrl.data.order import EpochOrder
from genrl.diffusion.noise import generators_for
from genrl.registry import ConfigurationError

_AUGMENTATION_STREAM = 0x617567  # keeps these generators apart from others made of the same seed


class TrainLoader:
    """Iterates over the batches of a whole run, from the stored position to the last.

    It has no worker processes: example sets in memory need none, and batches that read files are
    prepared by a thread.

    Args:
        examples: to take batches from.
        batch_size: examples in a batch of this process; it may exceed the number of examples.
        num_batches: of the whole run; the loader's length.
        seed: of order and augmentation.
        rank: of this process among ``world_size``.
        world_size: number of processes.
        prefetch: how many batches are prepared ahead where the set reads files; 0 for none.

    Raises:
        ValueError: if a number is out of range.
    """

    def __init__(
        self,
        examples: ExampleSet,
        *,
        batch_size: int,
        num_batches: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        prefetch: int = 2,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}")
        if num_batches < 0 or prefetch < 0:
            raise ValueError(
                f"num_batches and prefetch cannot be negative: {num_batches}, {prefetch}"
            )
        if not 0 <= rank < world_size:
            raise ValueError(f"rank must be at least 0 and below world_size: {rank}, {world_size}")
        self.examples = examples
        self.batch_size = batch_size
        self.num_batches = num_batches
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.prefetch = prefetch
        self.position = 0
        self._order = EpochOrder(len(examples), seed)

    def __len__(self) -> int:
        return self.num_batches

    def batch(self, number: int) -> ExampleBatch:
        """This rank's part of batch ``number``."""
        start = (number * self.world_size + self.rank) * self.batch_size
        positions = range(start, start + self.batch_size)
        indices = self._order.indices(positions.start, positions.stop)
        if not self.examples.is_augmented:
            return self.examples.batch(indices)
        return self.examples.batch(
            indices, generators_for(self.seed ^ _AUGMENTATION_STREAM, positions)
        )

    def __iter__(self) -> Iterator[ExampleBatch]:
        """The batches from ``position`` on; ``position`` counts those handed out."""
        is_ahead = self.examples.is_lazy and self.prefetch > 0
        batches = self._prefetched(self.position) if is_ahead else self._direct(self.position)
        for number, batch in enumerate(batches, start=self.position):
            self.position = number + 1
            yield batch

    def _direct(self, first: int) -> Iterator[ExampleBatch]:
        return (self.batch(number) for number in range(first, self.num_batches))

    def _prefetched(self, first: int) -> Iterator[ExampleBatch]:
        numbers = iter(range(first, self.num_batches))
        waiting: deque[Future[ExampleBatch]] = deque()
        # One thread keeps the order; the example set decodes with threads of its own.
        with ThreadPoolExecutor(1, thread_name_prefix="prefetch") as pool:
            try:
                for number in numbers:
                    waiting.append(pool.submit(self.batch, number))
                    if len(waiting) > self.prefetch:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def state_dict(self) -> dict[str, Any]:
        """The position and what the batches are a function of."""
        return {
            "position": self.position,
            "fingerprint": self.examples.fingerprint(),
            "seed": self.seed,
            "global_batch_size": self.batch_size * self.world_size,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a stored position.

        Raises:
            ConfigurationError: if the data, the seed or the global batch size is another one, so
                that the batches would not be those of the interrupted run.
        """
        mine = self.state_dict()
        if state["fingerprint"] != mine["fingerprint"]:
            raise ConfigurationError(
                "the data has changed since the checkpoint was written (fingerprint "
                f"{state['fingerprint']} then, {mine['fingerprint']} now); restore the data, "
                "or start a new run"
            )
        for key, words in (("seed", "seed"), ("global_batch_size", "global batch size")):
            if state[key] != mine[key]:
                raise ConfigurationError(
                    f"the checkpoint was written with {words} {state[key]}, not {mine[key]}; "
                    "resume with the run's own config, or start a new run"
                )
        self.position = int(state["position"])
