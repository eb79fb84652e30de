"""``genrl plan``: memory, operations and communication of a run, without training or allocating it.

One update of each kind of stage is carried out on fake tensors, which have shapes and no memory.
What is alive at every moment is counted, and so are the operations. Bytes for each device:

DDP:   P + T + A + O + B + max(X, G)          FSDP:   (P + T + A + O + G) / W + F + 3 U

P parameters of the student, T of its teacher, A averages, O the optimizer's state, G gradients, B
the buckets of DDP (as large as G, none for one process), X what is alive at an update's peak beside
these (activations, and the gradients that are there by then), F activations at the end of the
forward pass, U the largest block, of which FSDP gathers the next one while it computes one, and
sums up the gradient of the one before, W devices.

Sent by each device in an update: DDP 2 G (W - 1) / W, a ring's all-reduce; FSDP (2 P + G + n T)
(W - 1) / W, with n evaluations of the teacher. Not counted: kernels' own workspace, the allocator's
fragments, the evaluation, and what torch.compile saves.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from weakref import ref

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from genrl.config import instantiate
from genrl.diffusion import Denoiser, Objective, Stage
from genrl.diffusion.schedules import schedules
from genrl.registry import ConfigurationError
from genrl.sharding import blocks
from genrl.tasks.build import (
    Config,
    build_data,
    build_denoiser,
    build_objectives,
    build_stages,
)
from genrl.typing import DataSpec


class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of tensors that are alive, and the most that ever were.

    Only what operations inside the context have made counts, once for all views of a storage.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._seen: dict[int, Any] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        known = {id(t.untyped_storage()) for t in tree_leaves((args, kwargs)) if _is_tensor(t)}
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if _is_tensor(tensor):
                self._see(tensor.untyped_storage(), known)
        return result

    def _see(self, storage: torch.UntypedStorage, known: set[int]) -> None:
        key = id(storage)
        if key in self._seen or key in known:
            return
        size = storage.nbytes()

        def forget(_: Any) -> None:
            self.now -= size
            self._seen.pop(key, None)

        self._seen[key] = ref(storage, forget)
        self.now += size
        self.peak = max(self.peak, self.now)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Tensor)


@dataclass(frozen=True)
class Update:
    """One update of a stage on one device.

    Args:
        stage: that it is of.
        forward: bytes of activations at the end of the forward pass.
        peak: the most bytes alive beside what lives from update to update.
        flops: operations of this device, a multiplication and an addition being two.
        teacher_calls: evaluations of the teacher.
    """

    stage: Stage
    forward: int
    peak: int
    flops: int
    teacher_calls: int


@dataclass(frozen=True)
class Plan:
    """What a run takes; bytes are those of one device before sharding.

    Args:
        parameters: P.
        teacher: T.
        averages: A.
        optimizer: O.
        gradients: G.
        largest_block: U.
        world_size: W.
        batch_size: of one device.
        updates: one of each kind of stage.
    """

    parameters: int
    teacher: int
    averages: int
    optimizer: int
    gradients: int
    largest_block: int
    world_size: int
    batch_size: int
    updates: list[Update]

    def ddp(self, update: Update) -> int:
        """Bytes of one device under DDP, or of the only one."""
        copies = self.parameters + self.teacher + self.averages + self.optimizer
        buckets = self.gradients if self.world_size > 1 else 0
        return copies + buckets + max(update.peak, self.gradients)

    def fsdp(self, update: Update) -> int:
        """Bytes of one device under FSDP."""
        copies = self.parameters + self.teacher + self.averages + self.optimizer + self.gradients
        return -(-copies // self.world_size) + update.forward + 3 * self.largest_block

    def ddp_sent(self) -> float:
        """Bytes that a device sends in an update under DDP."""
        return 2 * self.gradients * (self.world_size - 1) / self.world_size

    def fsdp_sent(self, update: Update) -> float:
        """The same under FSDP."""
        gathered = 2 * self.parameters + update.teacher_calls * self.teacher
        return (gathered + self.gradients) * (self.world_size - 1) / self.world_size


def plan(config: Config, *, num_classes: int | None = None) -> Plan:
    """Plan a run of a diffusion model.

    Args:
        config: plain and complete.
        num_classes: of image folders that are not here.

    Raises:
        ConfigurationError: for agents, or if the global batch cannot be divided.
    """
    if config.get("task") == "agent":
        raise ConfigurationError(
            "genrl plan counts diffusion runs: an agent's networks are small, and its memory is "
            "that of the replay buffer, capacity · (2 observations + action + 8 numbers) · 4 bytes"
        )
    spec = _spec(config, num_classes)
    world_size = _world_size(config)
    batch_size, rest = divmod(config["training"]["batch_size"], world_size)
    if rest:
        raise ConfigurationError(
            f"training.batch_size={config['training']['batch_size']} is the global batch; "
            f"it cannot be shared by {world_size} devices"
        )

    def make_optimizer(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return instantiate(config["optimizer"], torch.optim.Optimizer, parameters, lr=1e-3)

    stages = build_stages(config, has_teacher=bool(config["teacher"]))
    # Schedules, grids and what is learned beside the network are small, real, and looked at.
    objectives = build_objectives(config, stages, schedules.build(config["schedule"]), spec)
    decays = len(config["ema"].get("decays", ()))
    needs_teacher = any(objective.needs_teacher for objective in objectives)
    needs_average = any(objective.average_decay for objective in objectives)
    with FakeTensorMode(allow_non_fake_inputs=True):
        # As many as `DiffusionModule` has: student, teacher, average of the student that teaches.
        student, teacher, average = (
            build_denoiser({**config, "compile": False}, spec) if is_there else None
            for is_there in (True, needs_teacher, needs_average)
        )
        assert student is not None
        for frozen in (teacher, average):
            if frozen is not None:
                frozen.requires_grad_(False).eval()
        learned = [
            *student.parameters(),
            *(p for o in objectives if o.trainable is not None for p in o.trainable.parameters()),
        ]
        return Plan(
            parameters=_bytes(student.parameters()),
            teacher=0 if teacher is None else _bytes(teacher.parameters()),
            averages=(0 if average is None else _bytes(average.parameters()))
            + 4 * decays * sum(p.numel() for p in student.parameters()),
            optimizer=optimizer_bytes(make_optimizer, learned),
            gradients=_bytes(p for p in learned if p.requires_grad),
            largest_block=max(_bytes(block.parameters()) for block in blocks(student.network)),
            world_size=world_size,
            batch_size=batch_size,
            updates=[
                _update(
                    stages[index],
                    objectives[index].at(0.0, average or student),
                    student,
                    teacher,
                    torch.zeros(batch_size, *spec.shape),
                    torch.zeros(batch_size, dtype=torch.long) if spec.num_classes else None,
                    str(config["trainer"].get("precision", "")).startswith("bf16"),
                )
                for index in _last_of_each_kind(stages)
            ],
        )


def _update(
    stage: Stage,
    objective: Objective,
    student: Denoiser,
    teacher: Denoiser | None,
    x: Tensor,
    label: Tensor | None,
    is_mixed: bool,
) -> Update:
    calls: list[int] = []
    hook = teacher.register_forward_hook(lambda *_: calls.append(1)) if teacher else None
    student.train().zero_grad()
    live, counter = LiveBytes(), FlopCounterMode(display=False)
    with live, counter:
        with torch.autocast("cpu", torch.bfloat16, is_mixed, cache_enabled=False):
            taught = teacher if objective.needs_teacher else None
            loss = objective(student, taught, x, label, torch.Generator()).loss
        forward = live.now
        loss.backward()  # type: ignore[no-untyped-call]
    if hook is not None:
        hook.remove()
    return Update(stage, forward, live.peak, counter.get_total_flops(), len(calls))


def _last_of_each_kind(stages: list[Stage]) -> list[int]:
    """The first of a kind may learn from more of the teacher's steps than the others."""
    return list({stage.objective["name"]: index for index, stage in enumerate(stages)}.values())


def optimizer_bytes(
    make: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer], parameters: Iterable[Tensor]
) -> int:
    """State of an optimizer after a step, from that of a small parameter's."""
    from torch._subclasses.fake_tensor import unset_fake_temporarily

    with unset_fake_temporarily():
        probe = nn.Parameter(torch.zeros(3, 5))
        probe.grad = torch.ones_like(probe)
        optimizer = make([probe])
        optimizer.step()
        state = [v for v in optimizer.state[probe].values() if isinstance(v, Tensor)]
        copies = sum(v.element_size() for v in state if v.shape == probe.shape)
        others = sum(v.numel() * v.element_size() for v in state if v.shape != probe.shape)
    return sum(copies * p.numel() + others for p in parameters if p.requires_grad)


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _world_size(config: Config) -> int:
    trainer = config["trainer"]
    devices = trainer.get("devices", 1)
    if devices in ("auto", -1, "-1"):
        devices = max(1, torch.cuda.device_count())
    count = len(devices) if isinstance(devices, list) else int(devices)
    return count * int(trainer.get("num_nodes", 1))


def _spec(config: Config, num_classes: int | None) -> DataSpec:
    data = config["data"]
    if num_classes is None:
        return build_data(config).spec
    if data["name"] != "image_folder":
        raise ConfigurationError(
            "classes=N stands for image folders that are not here: give data=image_folder"
        )
    return DataSpec((data["channels"], data["size"], data["size"]), num_classes, num_levels=256)
