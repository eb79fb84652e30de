"""Plain perceptrons for policies, critics and rewards, alone or many at once.

An ensemble of E perceptrons is one batched matrix product for each layer, h ← σ(h W + b) with
W of shape (E, in, out): as fast as one network of E times the width.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, get_args

import torch
from torch import Tensor, nn

Activation = Literal["tanh", "relu", "elu", "silu", "leaky_relu"]
Initialization = Literal["orthogonal", "default"]

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "tanh": nn.Tanh,
    "relu": partial(nn.ReLU, inplace=True),  # a linear layer does not look at its output again
    "elu": nn.ELU,
    "silu": nn.SiLU,
    "leaky_relu": nn.LeakyReLU,
}


def activation_layer(activation: str) -> nn.Module:
    """A fresh activation.

    Raises:
        ValueError: if there is none of that name.
    """
    if activation not in _ACTIVATIONS:
        names = ", ".join(get_args(Activation))
        raise ValueError(f"no activation is called '{activation}'. Available: {names}")
    return _ACTIVATIONS[activation]()


class Perceptron(nn.Sequential):
    """Linear layers with an activation between them, called without the modules' own overhead.

    That overhead is half of the time of a network that sees one observation.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) to (..., outputs)."""
        for layer in self:
            x = layer.forward(x)
        return x


def perceptron(
    sizes: Sequence[int],
    activation: str = "tanh",
    *,
    output_gain: float = 1.0,
    init: Initialization = "orthogonal",
) -> Perceptron:
    """Linear layers with an activation between them and none after the last.

    Args:
        sizes: input, hidden layers, output.
        activation: one of `Activation`.
        output_gain: gain of the last layer's orthogonal weights; those of hidden layers is √2.
        init: ``orthogonal`` weights with zero biases, or torch's ``default``.

    Raises:
        ValueError: if a size is less than 1.
    """
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(f"layer sizes must be at least 1, not {tuple(sizes)}")
    layers: list[nn.Module] = []
    last = len(sizes) - 2
    for number, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        linear = nn.Linear(inputs, outputs)
        if init == "orthogonal":
            nn.init.orthogonal_(linear.weight, output_gain if number == last else math.sqrt(2))
            nn.init.zeros_(linear.bias)
        if number == 0:
            # Stored by columns: few inputs' weights then get their gradient as xᵀg, not as gᵀx,
            # which takes four times as long.
            linear.weight.data = linear.weight.data.T.contiguous().T
        layers.append(linear)
        if number != last:
            layers.append(activation_layer(activation))
    return Perceptron(*layers)


class EnsembleLinear(nn.Module):
    """x_e W_e + b_e for every member e.

    Args:
        members: of the ensemble.
        inputs: features that come in.
        outputs: features that go out.
    """

    def __init__(self, members: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        self.weight = nn.Parameter(torch.empty(members, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(members, 1, outputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """(members, batch, inputs) to (members, batch, outputs)."""
        if self.weight.shape[-1] == 1:
            # As batched products with a column, these and their gradients take four times as long.
            return (x * self.weight.mT).sum(-1, keepdim=True) + self.bias
        return torch.baddbmm(self.bias, x, self.weight)


class EnsemblePerceptron(nn.Module):
    """Perceptrons of one shape with weights of their own.

    Args:
        members: of the ensemble, >= 1.
        sizes: input, hidden layers, output.
        activation: one of `Activation`.

    Raises:
        ValueError: if there is no member or a size is less than 1.
    """

    def __init__(self, members: int, sizes: Sequence[int], activation: str = "relu") -> None:
        super().__init__()
        if members < 1 or len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(f"an ensemble of {members} with layer sizes {tuple(sizes)} is empty")
        self.members = members
        self.layers = nn.ModuleList(
            EnsembleLinear(members, inputs, outputs)
            for inputs, outputs in itertools.pairwise(sizes)
        )
        self.activation = activation_layer(activation)
        self.is_relu = activation == "relu"

    @property
    def is_frozen(self) -> bool:
        """Whether no parameter takes a gradient."""
        return not any(w.weight.requires_grad or w.bias.requires_grad for w in self.layers)

    def hidden(self, x: Tensor) -> list[Tensor]:
        """The input and every hidden layer after its activation, each (members, batch, ·)."""
        value = x.expand(self.members, *x.shape) if x.dim() == 2 else x
        found = [value]
        *before_last, _ = self.layers  # slicing would make a module, which costs more than a layer
        for layer in before_last:
            value = self.activation.forward(layer.forward(value))
            found.append(value)
        return found

    def member(self, number: int, x: Tensor) -> Tensor:
        """One of them alone, (batch, inputs) to (batch, outputs)."""
        for position, layer in enumerate(self.layers, 1):
            assert isinstance(layer, EnsembleLinear)
            x = torch.addmm(layer.bias[number], x, layer.weight[number])
            if position < len(self.layers):
                x = self.activation.forward(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """The same (batch, inputs) for all members, or (members, batch, inputs), to outputs."""
        outputs: Tensor = self.layers[-1].forward(self.hidden(x)[-1])
        return outputs
