"""Proof of a network: what a `Denoiser` and its training rely on, whatever it is made of."""

from collections.abc import Callable

import torch
from torch import Tensor

from genrl.networks.base import Network
from genrl.testing.diffusion.figures import Figures, require, require_small
from genrl.typing import DataSpec

IMAGES = DataSpec((1, 8, 8), 3)
UPDATES = 6


def check_network(build: Callable[[DataSpec, int], Network], spec: DataSpec = IMAGES) -> Figures:
    """The output has the form of the data; everything is learned, and every input matters.

    A few updates train it towards a function of all of its inputs, since many a network begins with
    layers of zeros. Then: a gradient reaches every parameter, each input changes the output, no
    label is the null class, an example does not depend on the others of its batch, and weights that
    are stored and loaded give the same output.

    Args:
        build: makes the network of data and a number of outputs.
        spec: of the data; labels and conditions are given where it has them.

    Returns:
        ``parameters``, and ``batch_error``: what the rest of the batch changes, in float64.

    Raises:
        CheckError: naming the first promise that is broken.
    """
    with torch.random.fork_rng():
        for num_outputs in (1, 2):
            torch.manual_seed(0)
            network = build(spec, num_outputs)
            _check_form(network, spec, num_outputs)
            _train(network, spec, num_outputs)
        figures: Figures = {"parameters": float(sum(p.numel() for p in network.parameters()))}
        _check_gradients(network, spec, figures)
        network.eval().requires_grad_(False)
        _check_inputs(network, spec, figures)
        fresh = build(spec, num_outputs).eval()
        fresh.load_state_dict(network.state_dict())
        inputs = _inputs(spec, 4)
        require(
            torch.equal(fresh(**inputs), network(**inputs)),
            "weights that are stored and loaded give another output: what it depends on is missing "
            "from its state_dict",
            figures,
        )
        _check_batch(network, spec, figures)
    return figures


Inputs = dict[str, Tensor]


def _inputs(spec: DataSpec, batch: int) -> Inputs:
    """Random arguments of `Network.forward`, all that the data has."""
    inputs = {
        "z": torch.randn(batch, *spec.shape),
        "log_snr": 3 * torch.randn(batch),
        "w": 4 * torch.rand(batch),
    }
    if spec.num_classes:
        inputs["label"] = torch.arange(batch) % (spec.num_classes + 1)
    if spec.condition_size:
        inputs["condition"] = torch.randn(batch, spec.condition_size)
    return inputs


def _check_form(network: Network, spec: DataSpec, num_outputs: int) -> None:
    output = network(**_inputs(spec, 2))
    wanted = (2, num_outputs * spec.shape[0], *spec.shape[1:])
    require(
        output.shape == wanted and output.dtype == torch.float32,
        f"with num_outputs={num_outputs} the output of 2 examples is {tuple(output.shape)} in "
        f"{output.dtype}, not {wanted} in float32",
    )


def _train(network: Network, spec: DataSpec, num_outputs: int) -> None:
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    ones = [1] * len(spec.shape)
    for _ in range(UPDATES):
        inputs = _inputs(spec, 8)
        target = inputs["z"].tanh()
        for name in [name for name in inputs if name != "z"]:
            target = target + 0.2 * inputs[name].view(8, -1).sum(1).view(-1, *ones)
        loss = (network(**inputs) - target.repeat(1, num_outputs, *ones[1:])).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def _check_gradients(network: Network, spec: DataSpec, figures: Figures) -> None:
    network.zero_grad()
    network(**_inputs(spec, 8)).square().sum().backward()
    for name, parameter in network.named_parameters():
        reached = parameter.grad is not None and bool(parameter.grad.any())
        require(reached, f"no gradient reaches {name} after {UPDATES} updates", figures)


def _check_inputs(network: Network, spec: DataSpec, figures: Figures) -> None:
    inputs = _inputs(spec, 1)
    base = network(**inputs)
    others = {name: {**inputs, name: value + 1} for name, value in inputs.items()}
    others["the absence of w"] = {name: inputs[name] for name in inputs.keys() - {"w"}}
    for name, other in others.items():
        changes = (network(**other) - base).abs().max().item() > 1e-6
        require(changes, f"{name} does not change the output", figures)
    if spec.num_classes:
        unlabelled = {name: inputs[name] for name in inputs.keys() - {"label"}}
        null = torch.tensor([spec.num_classes])
        require(
            torch.equal(network(**unlabelled), network(**unlabelled, label=null)),
            f"no label must be the null class, {spec.num_classes}",
            figures,
        )


def _check_batch(network: Network, spec: DataSpec, figures: Figures) -> None:
    inputs = {
        name: value.double() if value.is_floating_point() else value
        for name, value in _inputs(spec, 3).items()
    }
    network.double()
    whole = network(**inputs)
    alone = [
        network(**{name: value[i : i + 1] for name, value in inputs.items()}) for i in range(3)
    ]
    figures["batch_error"] = (torch.cat(alone) - whole).abs().max().item()
    require_small(
        figures, "batch_error", 1e-5, "an example must not depend on the others of its batch"
    )
