"""``trainer=fsdp``: two processes that divide the weights do what one does, and leave the same."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from several_runs import in_processes, leaves, same_learned_schedules, same_runs
from stopper import Stopped, not_stopping

from genrl.callbacks import EMACallback, RunContext, StageCallback, callbacks
from genrl.callbacks.base import followers_of
from genrl.config import compose
from genrl.sharding import local
from genrl.tasks.train import resume, train

FSDP = ["trainer=fsdp", "trainer.devices=2"]
SMALL = [
    "+experiment=cfg_distill",
    "device=cpu",
    "callback@progress=none",
    "training.updates=3",
    "training.batch_size=8",
    "training.log_every=1",
    "training.gradient_clip=0.5",
    "checkpoint.every=2",
]
MIXTURE = [*SMALL, "data=gaussian_mixture", "network=mlp_small"]
LADDER = ["distill.start=2", "distill.guided_updates=3", "distill.last_updates=3"]
# 17 samples, 4 at a time: the second process has one sample and one batch less.
EVALUATION = [
    "evaluation.num_samples=17",
    "evaluation.batch_size=4",
    "evaluation.reference_steps=4",
    "evaluation.teacher_steps=[2]",
    "evaluation.guided_steps=[2]",
    "evaluation.w=[0,4]",
    "evaluation.every=2",
]
PLAIN = ["callback@evaluation=none"]
IMAGES = [
    *SMALL,
    *PLAIN,
    "distill.start=1",
    "distill.guided_updates=2",
    "distill.last_updates=2",
]
# A weight of edm2's teacher: divided, it is put back to magnitude 1 before it is first used.
UNUSED = "embedding.guidance.weight"
SMALL_UNET = ["network.channels=8", "network.head_channels=8", "network.num_blocks=1"]


@pytest.fixture(autouse=True)
def _probes() -> Iterator[None]:
    @callbacks.register("witness")
    class WitnessCallback(StageCallback[Any]):
        """Asserts in each process that it keeps about half of everything."""

        def __init__(self, context: RunContext) -> None: ...

        def on_update_end(self, trainer: Any, module: Any, stage: Any) -> None:
            state = trainer.optimizers[0].state
            averages = [f.averages for f in followers_of(trainer) if isinstance(f, EMACallback)]
            assert averages[0] or not stage.use_ema
            everything = {
                "student": list(module.denoiser.parameters()),
                "teacher": list(module.teacher.parameters()),
                "moments": [value for _, value in leaves(dict(enumerate(state.values())))],
                "averages": [value for _, value in leaves(averages)],
            }
            for name, values in everything.items():
                tensors = [value for value in values if isinstance(value, torch.Tensor)]
                mine, all_ = sum(local(t).numel() for t in tensors), sum(t.numel() for t in tensors)
                assert 0.4 * all_ <= mine <= 0.6 * all_, (name, mine, all_)

    @callbacks.register("poison")
    class PoisonCallback(StageCallback[Any]):
        """The last process' third update learns from NaN; that of one process too."""

        def __init__(self, context: RunContext) -> None: ...

        def on_stage_start(self, trainer: Any, module: Any, stage: Any) -> None:
            if trainer.global_rank == trainer.world_size - 1:
                network = module.denoiser.network
                network.register_forward_hook(
                    lambda network, inputs, output: (
                        output * float("nan") if module.updates == 2 else output
                    )
                )

    yield
    for name in ("witness", "poison"):
        del callbacks._components[name]


def one_and_two(words: list[str], folder: Path, *only_two: str) -> tuple[Path, Path]:
    """The run of one process, and that of two which divide the weights."""
    one, two = folder / "one", folder / "two"
    train(compose(words), one)
    config = compose([*words, *FSDP, *only_two])
    in_processes(lambda: train(config, two), folder / "rendezvous")
    return one, two


def test_a_ladder_with_its_evaluations(tmp_path: Path) -> None:
    words = [*MIXTURE, *LADDER, *EVALUATION]
    one, two = one_and_two(words, tmp_path, "+callback@callbacks.witness=witness")
    same_runs(one, two)
    rows, others = (json.loads((run / "summary.json").read_text())["stages"] for run in (one, two))
    assert len(rows) == len(others) == 10
    for row, other in zip(rows, others, strict=True):
        found = {key: value for key, value in row.items() if isinstance(value, float)}
        found.pop("seconds_per_image")
        assert {key: other[key] for key in found} == pytest.approx(found, rel=1e-4)


CASES = {
    "tract": [*MIXTURE, *PLAIN, "distill=tract", "distill.guided_updates=2", "distill.start=12",
              "distill.steps=[4,1]", "distill.updates=3", "distill.use_ema=false"],
    "consistency": [*MIXTURE, *PLAIN, "distill=consistency", "distill.guided_updates=2",
                    "distill.updates=3"],
    "posthoc": [*MIXTURE, *PLAIN, "distill=none", "+callback@callbacks.posthoc_ema=posthoc_ema",
                "callbacks.posthoc_ema.snapshots=3"],
    "learned_uncertainty": [*MIXTURE, *PLAIN, "distill=none", "weighting=learned_uncertainty"],
    "poison": [*MIXTURE, *PLAIN, "distill=none", "training.updates=5", "training.max_skipped=1",
               "+callback@callbacks.poison=poison"],
    "unet": [*IMAGES, *SMALL_UNET],
    "edm2_unet": [*IMAGES, "network=edm2_unet_digits", *SMALL_UNET, "training.learning_rate=1e-2"],
    # Its guided stage would have gradients of 1e-8, of which Adam makes steps of rounding.
    "dit": [*SMALL, *PLAIN, "network=dit_digits", "network.width=16", "network.depth=2",
            "network.num_heads=2", "distill=none"],
    "diffusers_unet": [*SMALL, *PLAIN, "network=diffusers_unet_digits", "distill=none"],
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_all_kinds_of_runs(case: str, tmp_path: Path) -> None:
    one, two = one_and_two(CASES[case], tmp_path)
    same_runs(one, two, ignore=UNUSED)
    skipped = torch.load(two / "checkpoints" / "last.ckpt", weights_only=True)["genrl"]["skipped"]
    assert skipped == (case == "poison")


@pytest.mark.slow
def test_a_learned_schedule(tmp_path: Path) -> None:
    words = ["+experiment=vdm", *SMALL[1:], *SMALL_UNET, *PLAIN, "network.dropout=0"]
    one, two = one_and_two([*words, "callbacks.likelihood.num_examples=12"], tmp_path)
    same_learned_schedules(one, two)


@pytest.mark.slow
def test_a_given_teacher_is_measured_and_distilled(tmp_path: Path) -> None:
    teacher = train(compose([*MIXTURE, *PLAIN, "distill=none"]), tmp_path / "teacher").path
    words = [*MIXTURE, *LADDER, *EVALUATION, f"teacher={teacher}"]
    one, two = one_and_two(words, tmp_path)
    same_runs(one, two)
    names = [row["name"] for row in json.loads((two / "summary.json").read_text())["stages"]]
    assert "teacher" in names


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after", "stop"), [(2, 2, 3), (2, 1, 7), (1, 2, 3)])
def test_a_run_goes_on_with_as_many_and_with_others(
    before: int, after: int, stop: int, tmp_path: Path
) -> None:
    """With one process, both without dividing and dividing among one.

    Some of what is learned stays whole: a weighting's layer, or scalars between edm2's weights. The
    teacher's stage, of five updates, has averages; the guided one has a teacher.
    """
    words = [*MIXTURE, *PLAIN, *LADDER, "weighting=learned_uncertainty"]
    if before == after:
        words = CASES["edm2_unet"]
    words = [*words, "training.updates=5", "+callback@callbacks.stopper=stopper"]
    one = train(compose(words), tmp_path / "one").path
    for strategy in ("fsdp", "auto") if after == 1 else ("fsdp",):
        broken = tmp_path / strategy
        config = compose([*words, *(FSDP if before == 2 else [])])
        config["callbacks"]["stopper"]["at"] = stop

        def stopped(config: Any = config, path: Path = broken) -> None:
            with contextlib.suppress(Stopped):
                train(config, path)

        in_processes(stopped, tmp_path / f"{strategy}_train", before)
        assert torch.load(broken / "checkpoints" / "last.ckpt")["genrl"]["updates"] == stop - 1
        not_stopping(broken)
        devices = {"trainer.devices": str(after), "trainer.strategy": strategy}
        in_processes(
            lambda path=broken, devices=devices: resume(path, devices),  # type: ignore[misc]
            tmp_path / f"{strategy}_resume",
            after,
        )
        same_runs(one, broken, ignore=UNUSED)
