"""What every guidance promises."""

import pytest
import torch
from torch import Tensor

from genrl.diffusion.conditioning import bind
from genrl.diffusion.distillation import guided_target
from genrl.diffusion.guidance import Guidance, Sources, guidances
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers import HeunSampler
from genrl.diffusion.time_grids import UniformTimeGrid

ARRAYS = {
    "values": torch.tensor([0.3, -0.2], dtype=torch.float64),
    "mask": torch.tensor([1.0, 0.0]),
}
PARAMETERS = {
    "autoguidance": {"model": "weaker"},
    "reconstruction": {"values": "values", "mask": "mask"},
}


def built(name: str, mixture, **more: object) -> Guidance:
    """Any guidance, with the unconditional model as the weaker one."""

    def weaker(z, t, label=None, w=None):
        return mixture.model(z, t)

    sources = Sources(
        model=lambda path, average: weaker,
        array=ARRAYS.__getitem__,
        classifier=lambda training: mixture.logits,
    )
    config = {"name": name, **PARAMETERS.get(name, {}), **more}
    return guidances.build(config, 2, sources)


@pytest.mark.parametrize("name", guidances.names())
def test_a_call_is_consistent_a_function_and_what_distillation_takes(name: str, mixture) -> None:
    guidance = built(name, mixture)
    guided = guidance(*mixture.arguments)
    assert guided.x.dtype == torch.float64
    assert not guided.is_renoised
    assert not guided.x.requires_grad
    assert not guided.eps.requires_grad
    rebuilt = guided.level.alpha * guided.x + guided.level.sigma * guided.eps
    torch.testing.assert_close(rebuilt, mixture.z, rtol=0, atol=1e-9)
    assert torch.equal(guidance(*mixture.arguments).x, guided.x)
    with torch.no_grad():
        target = guided_target(guidance, *mixture.arguments)
    assert torch.equal(target, guided.x)


@pytest.mark.parametrize("name", guidances.names())
@pytest.mark.parametrize("quantity", ["x", "eps", "v", "velocity"])
def test_what_a_sampler_steps_from_leads_to_x(name: str, quantity: str, mixture) -> None:
    """x = p z + q output of the guided prediction, whatever the network predicts."""

    def model(z, t, label=None, w=None):
        exact = mixture.model(z, t, label)
        make = getattr(Prediction, f"from_{quantity}")
        return make(getattr(exact, quantity), z, exact.level)

    _, *arguments = mixture.arguments
    guided = built(name, mixture)(model, *arguments)
    p, q = guided.form(guided.level.alpha, guided.level.sigma)
    rebuilt = p * mixture.z + q * guided.output
    torch.testing.assert_close(rebuilt, guided.x, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", guidances.names())
def test_examples_do_not_see_one_another(name: str, mixture) -> None:
    guidance = built(name, mixture)
    x = guidance(*mixture.arguments).x
    rows = [
        guidance(mixture.model, *(v[i : i + 1] for v in mixture.arguments[1:])).x for i in range(6)
    ]
    torch.testing.assert_close(torch.cat(rows), x, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", guidances.names())
def test_w_0_is_the_conditional_model_where_it_says_so(name: str, mixture) -> None:
    guidance = built(name, mixture)
    model, z, t, label, w = mixture.arguments
    guided, conditional = guidance(model, z, t, label, 0 * w), model(z, t, label)
    assert torch.equal(guided.x, conditional.x) == guidance.is_plain_at_zero
    assert torch.equal(guided.eps, conditional.eps) == guidance.is_plain_at_zero


@pytest.mark.parametrize("name", guidances.names())
def test_it_costs_what_it_says(name: str, mixture) -> None:
    """Evaluations of an example at each noise level, the weaker model's among them."""
    counted: list[int] = []

    def model(z, t, label=None, w=None):
        counted.append(len(z) * (2 if z.requires_grad else 1))
        return mixture.model(z, t, label)

    sources = Sources(
        model=lambda path, average: model,
        array=ARRAYS.__getitem__,
        classifier=lambda training: mixture.logits,
    )
    guidance = guidances.build({"name": name, **PARAMETERS.get(name, {})}, 2, sources)
    for t in (0.05, 0.3, 0.4, 0.5, 0.6, 0.95, 62.5 / 64, 41 / 64, 42 / 64):
        time = torch.full((6,), t, dtype=torch.float64)
        log_snr = mixture.schedule.log_snr(time)[0].item()
        for guide in (guidance, guidance.begin()):
            counted.clear()
            with torch.no_grad():
                guide(model, mixture.z, time, mixture.label, mixture.w)
            assert sum(counted) == 6 * guidance.evaluations_at(t, log_snr)


@pytest.mark.parametrize("name", guidances.names())
def test_it_samples_where_gradients_are_off(name: str, mixture) -> None:
    sampler = HeunSampler(mixture.schedule, UniformTimeGrid(mixture.schedule))
    denoise = bind(mixture.model, mixture.label, 0.5, built(name, mixture))
    x = sampler.sample(denoise, mixture.z, steps=6)
    assert x.isfinite().all()
    assert not x.requires_grad


@pytest.mark.parametrize("name", guidances.names())
def test_labels_are_needed_where_it_says_so(name: str, mixture) -> None:
    guidance = built(name, mixture)
    if guidance.needs_labels:
        with pytest.raises(ValueError, match="needs a label for each example"):
            bind(mixture.model, None, 1.0, guidance)
        return
    free = bind(mixture.model, None, 1.0, guidance)(mixture.z, mixture.t)
    nobody = torch.full_like(mixture.label, 2)
    bound: Tensor = bind(mixture.model, nobody, 1.0, guidance)(mixture.z, mixture.t).x
    torch.testing.assert_close(free.x, bound)
