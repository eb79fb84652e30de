"""Moving averages against the formula, over stages, and through a checkpoint."""

import io
from collections.abc import Sequence
from typing import Any, cast

import pytest
import torch
from lightning import Trainer

from genrl.callbacks import EMACallback, RunContext, StageCallback, callbacks
from genrl.diffusion import Stage
from genrl.modules import DiffusionModule
from genrl.registry import ConfigurationError

CONTEXT = cast(RunContext, None)


def weighted(decay: float, history: Sequence[float]) -> float:
    """The average as one explicit sum: start · Π d_k + Σ_k θ_k (1 - d_k) Π_{j>k} d_j."""
    rates = [min(decay, (1 + n) / (10 + n)) for n in range(1, len(history))]
    result = history[0]
    for rate in rates:
        result *= rate
    for k, value in enumerate(history[1:]):
        term = value * (1 - rates[k])
        for rate in rates[k + 1 :]:
            term *= rate
        result += term
    return result


class Watch(StageCallback):
    """One weight after each update, and each average."""

    def __init__(self, ema: EMACallback) -> None:
        self.ema = ema
        self.weights: dict[str, list[float]] = {}
        self.averages: dict[str, list[dict[float, float]]] = {}
        self.at_end: dict[str, float] = {}

    def weight(self, module: DiffusionModule) -> float:
        return module.denoiser.get_parameter("network.output.bias")[0].item()

    def on_stage_start(self, trainer: Trainer, module: DiffusionModule, stage: Stage) -> None:
        self.weights[stage.name] = [self.weight(module)]
        self.averages[stage.name] = [self.look()]

    def look(self) -> dict[float, float]:
        name = "network.output.bias"
        return {decay: own[name][0].item() for decay, own in self.ema.averages.items()}

    def on_update_end(self, trainer: Trainer, module: DiffusionModule, stage: Stage) -> None:
        self.weights[stage.name].append(self.weight(module))
        self.averages[stage.name].append(self.look())

    def on_stage_end(self, trainer: Trainer, module: DiffusionModule, stage: Stage) -> None:
        self.at_end[stage.name] = self.weight(module)


@pytest.mark.parametrize("decays", [(0.5,), (0.999,), (0.2, 0.35, 0.9)])
def test_formula_in_every_stage(make_run: Any, make_stage: Any, decays: tuple[float, ...]) -> None:
    """Each stage's average begins anew, at the weights that the stage starts from."""
    run = make_run(
        [
            make_stage("a", 12, 0.5, use_ema=True),
            make_stage("b", 6, 0.2, use_ema=True),
            make_stage("c", 3, 0.2),
        ],
        [[1.0] * 12, [1.0] * 6, [1.0] * 3],
    )
    ema = EMACallback(CONTEXT, decays=decays)
    watch = Watch(ema)
    run.fit(ema, watch)
    for name in ("a", "b"):
        for n, averages in enumerate(watch.averages[name]):
            for decay in decays:
                expected = weighted(decay, watch.weights[name][: n + 1])
                assert averages[decay] == pytest.approx(expected, abs=1e-6)
        # The student took the first average, and the next stage starts there.
        first = watch.averages[name][-1][decays[0]]
        assert watch.at_end[name] == pytest.approx(first, abs=1e-7)
        assert watch.at_end[name] != pytest.approx(watch.weights[name][-1], abs=1e-4)
    assert watch.weights["b"][0] == watch.at_end["a"]
    assert watch.weights["c"][0] == watch.at_end["b"]
    assert watch.averages["c"] == [{}] * 4
    assert watch.at_end["c"] == watch.weights["c"][-1]


def test_state_survives_a_checkpoint(make_run: Any, make_stage: Any) -> None:
    """Half a stage, its state in a new callback, the other half: the same average."""
    run = make_run([make_stage("a", 8, use_ema=True)], [[1.0] * 8])
    module = run.module
    trainer = cast(Trainer, None)
    whole = EMACallback(CONTEXT, decays=(0.9, 0.3))
    callback = EMACallback(CONTEXT, decays=(0.9, 0.3))
    for other in (whole, callback):
        other.on_stage_start(trainer, module, module.stage)
    for update in range(1, 8):
        with torch.no_grad():
            for parameter in module.denoiser.parameters():
                parameter += torch.randn_like(parameter)
        module.updates = update
        whole.on_update_end(trainer, module, module.stages[0])
        callback.on_update_end(trainer, module, module.stages[0])
        if update == 4:
            stored = torch.load(saved(callback), weights_only=True)
            callback = EMACallback(CONTEXT, decays=(0.9, 0.3))
            callback.load_state_dict(stored)
            callback.on_stage_start(trainer, module, module.stage)
    assert whole.averages.keys() == callback.averages.keys() == {0.9, 0.3}
    for decay, average in whole.averages.items():
        for name, value in average.items():
            assert torch.equal(callback.averages[decay][name], value)


def saved(callback: EMACallback) -> io.BytesIO:
    buffer = io.BytesIO()
    torch.save(callback.state_dict(), buffer)
    buffer.seek(0)
    return buffer


def test_averages_are_float32_and_apart_from_the_weights(make_run: Any, make_stage: Any) -> None:
    module = make_run([make_stage("a", 8, use_ema=True)], [[1.0] * 8]).module
    module.denoiser.to(torch.bfloat16)
    ema = EMACallback(CONTEXT)
    ema.on_stage_start(cast(Trainer, None), module, module.stage)
    before = {name: value.clone() for name, value in ema.averages[0.999].items()}
    assert all(value.dtype == torch.float32 for value in before.values())
    with torch.no_grad():
        for parameter in module.denoiser.parameters():
            parameter += 1
    assert all(torch.equal(ema.averages[0.999][name], value) for name, value in before.items())
    assert set(before) == {name for name, _ in module.denoiser.named_parameters()}


@pytest.mark.parametrize("decays", [[], [0.0], [1.0], [0.9, 1.5], [-0.1]])
def test_decays_that_average_nothing(decays: list[float]) -> None:
    with pytest.raises(ConfigurationError, match="decays must lie between 0 and 1"):
        callbacks.build({"name": "ema", "decays": decays}, CONTEXT)
