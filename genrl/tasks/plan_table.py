"""A plan as text: what lives from update to update, and what an update of each kind takes."""

from genrl.tasks.plan import Plan, Update

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def plan_table(plan: Plan) -> str:
    """The lines of ``genrl plan``."""
    devices = f"{plan.world_size} device{'s' * (plan.world_size > 1)}"
    held = {
        "parameters": plan.parameters,
        "teacher": plan.teacher,
        "averages": plan.averages,
        "optimizer": plan.optimizer,
        "gradients": plan.gradients,
    }
    lines = [
        f"{devices}, each with {plan.batch_size} examples of a batch of "
        f"{plan.batch_size * plan.world_size}",
        "",
        "held by each device" + " " * 8 + "DDP" + " " * 7 + "FSDP",
        *(
            f"  {name:<18}{size_of(size):>10} {size_of(-(-size // plan.world_size)):>10}"
            for name, size in held.items()
        ),
        "",
        f"{'an update of':<14}{'activations':>12}{'DDP':>10}{'FSDP':>10}{'FLOP':>10}"
        f"{'DDP sends':>12}{'FSDP sends':>12}",
        *(_row(plan, update) for update in plan.updates),
        "",
        "Memory and FLOP are of one device at the update's peak, buckets and gathered blocks "
        "included;",
        "kernels' workspace, the allocator's fragments and the evaluation are not.",
    ]
    return "\n".join(lines)


def _row(plan: Plan, update: Update) -> str:
    cells = (
        size_of(update.peak),
        size_of(plan.ddp(update)),
        size_of(plan.fsdp(update)),
        _flop(update.flops),
        size_of(plan.ddp_sent()),
        size_of(plan.fsdp_sent(update)),
    )
    widths = (12, 10, 10, 10, 12, 12)
    row = "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
    return f"  {update.stage.name:<12}{row}"


def size_of(count: float) -> str:
    """Bytes in a unit that leaves one to four digits before the point."""
    unit = 0
    while count >= 1000 and unit < len(_UNITS) - 1:
        count, unit = count / 1024, unit + 1
    return f"{count:.4g} {_UNITS[unit]}"


def _flop(count: float) -> str:
    for power, letter in ((15, "P"), (12, "T"), (9, "G"), (6, "M")):
        if count >= 10**power:
            return f"{count / 10**power:.4g} {letter}"
    return f"{count:.4g}"
