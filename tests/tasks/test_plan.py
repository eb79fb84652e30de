"""``genrl plan`` beside what the allocator of a real run hands out."""

from pathlib import Path

import pytest
import torch
from torch._C._profiler import _EventType
from torch.profiler import ProfilerActivity, profile

from genrl.config import compose
from genrl.registry import ConfigurationError
from genrl.tasks.plan import LiveBytes, plan
from genrl.tasks.train import train

SHORT = [
    "+experiment=cfg_distill",
    "device=cpu",
    "callback@evaluation=none",
    "callback@progress=none",
    "training.updates=2",
    "distill.guided_updates=1",
    "distill.updates=1",
    "distill.start=1",
]
# Weights weigh as much as activations in one, the teacher's stages count in another, and the third
# has a second average and computes in half precision.
CONFIGS = {
    "plain": [
        *SHORT[:4],
        "training.updates=2",
        "distill=none",
        "training.batch_size=16",
        "network.channels=48",
        "network.head_channels=48",
        "ema.decays=[0.9,0.99]",
    ],
    "ladder": [*SHORT, "distill.start_factor=2", "distill.last_updates=1", "training.batch_size=8"],
    "tract": [
        *SHORT,
        "distill=tract",
        "distill.start=2",
        "distill.steps=[1]",
        "training.batch_size=16",
        "trainer.precision=bf16-mixed",
    ],
}


def measured(words: list[str], folder: Path) -> int:
    """The most bytes that torch's allocator had handed out in a real run, beside what was before.

    What an earlier run in this process left behind may be freed while this one works, whenever the
    garbage collector comes by: it is not this run's.
    """
    # What is accumulated is one cycle; torch 2.11 warns where it is not asked for.
    with profile(
        activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True
    ) as profiler:
        train(compose(words), folder)
    assert profiler.profiler is not None
    waiting = list(profiler.profiler.kineto_results.experimental_event_tree())
    changes = []
    while waiting:
        event = waiting.pop()
        waiting += event.children
        if event.tag == _EventType.Allocation:
            changes.append((event.start_time_ns, event.extra_fields))
    sizes: dict[int, int] = {}
    now = peak = 0
    for _, change in sorted(changes, key=lambda pair: pair[0]):
        if change.alloc_size > 0:
            sizes[change.ptr] = change.alloc_size
            now += change.alloc_size
        else:
            now -= sizes.pop(change.ptr, 0)
        peak = max(peak, now)
    return peak


@pytest.mark.parametrize("name", CONFIGS)
def test_a_run_takes_the_memory_that_was_planned(name: str, tmp_path: Path) -> None:
    """Within 3 %; a copy of the weights that is forgotten is 8 % and more in every case."""
    planned = plan(compose(CONFIGS[name]))
    expected = max(planned.ddp(update) for update in planned.updates)
    assert planned.parameters / expected > 0.08
    assert measured(CONFIGS[name], tmp_path / "run") == pytest.approx(expected, rel=0.03)


def test_operations_are_those_of_the_arithmetic() -> None:
    """3 F for a plain update, 5 F for both kinds of distillation."""
    updates = plan(compose(CONFIGS["ladder"])).updates
    plain, *others = (update.flops for update in updates)
    assert [update.teacher_calls for update in updates] == [0, 1, 2]
    for flops in others:
        assert flops / plain == pytest.approx(5 / 3, rel=0.01)


def test_devices_share_the_batch_and_fsdp_the_copies() -> None:
    one = plan(compose(CONFIGS["ladder"]))
    four = plan(compose([*CONFIGS["ladder"], "trainer.devices=2", "+trainer.num_nodes=2"]))
    assert (four.world_size, four.batch_size) == (4, 2)
    assert four.parameters == one.parameters
    first, whole = four.updates[0], one.updates[0]
    assert 4 * first.flops == whole.flops
    assert whole.forward / 5 < first.forward < whole.forward / 3
    assert four.ddp_sent() == 1.5 * four.gradients
    assert one.ddp_sent() == 0
    copies = 4 * four.parameters + four.optimizer
    assert four.averages == four.teacher == four.gradients == four.parameters
    expected = -(-copies // 4) + first.forward + 3 * four.largest_block
    assert four.fsdp(first) == expected


def test_live_bytes_are_counted_once_for_all_views_of_them() -> None:
    outside = torch.zeros(10)
    with LiveBytes() as live:
        a = torch.zeros(100)
        b = a.view(10, 10)[2:]
        outside.add_(1)
        assert live.now == 400
        del a
        assert live.now == 400
        del b
        assert (live.now, live.peak) == (0, 400)
        c = outside + 1
        assert (live.now, live.peak) == (c.numel() * 4, 400)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["+experiment=ppo"], "counts diffusion runs"),
        (["+experiment=cfg_distill", "trainer.devices=3"], "cannot be shared by 3 devices"),
    ],
)
def test_what_cannot_be_planned(words: list[str], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        plan(compose(words))
