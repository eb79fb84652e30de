"""Ensembles of perceptrons with ReLU and one output, differentiated by hand.

h_0 = x,  h_i = max(h_{i-1} W_i + b_i, 0),  f = h_{n-1} w + b;  with g_i = ∂L/∂(h_{i-1} W_i + b_i):
∂L/∂W_i = h_{i-1}ᵀ g_i,  ∂L/∂b_i = Σ g_i,  ∂L/∂h_{i-1} = g_i W_iᵀ, which counts where h_{i-1} > 0

These are autograd's gradients. Written out, the mask is put on in place, the single output is a
product with a row instead of a sum over a fresh array, and a network is one step of autograd
instead of three for each layer: a tenth of a critic's gradient where, as in a run, the cache holds
other things. Derivatives of these gradients are refused; `EnsemblePerceptron` itself has them.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from genrl.networks.perceptron import EnsembleLinear, EnsemblePerceptron

# (gradient, activation, 0): the gradient where the activation is positive.
_mask_in_place = torch.ops.aten.threshold_backward.grad_input


def squared_loss(network: EnsemblePerceptron, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """½ Σ_e (f_e(x) - y)² of an ensemble with ReLU between its layers and one output.

    Args:
        network: of E members.
        x: (batch, inputs).
        target: y, (batch,), which takes no gradient.

    Returns:
        The loss of each example, (batch,), with gradients that cannot be differentiated again, and
        the errors f_e(x) - y, (E, batch), without gradient.
    """
    assert network.is_relu
    weights = [layer.weight for layer in network.layers]
    biases = [layer.bias for layer in network.layers]
    losses: Tensor
    errors: Tensor
    losses, errors = _SquaredLoss.apply(x, target, network, *weights, *biases)
    return losses, errors


def least_member(network: EnsemblePerceptron, x: Tensor) -> Tensor:
    """min_e f_e(x) of such an ensemble, its weights frozen.

    The minimum is one member's value, so that its gradient runs back through that member alone:
    half of the products of a backward pass through two members, a tenth through ten.

    Args:
        network: whose weights take no gradient.
        x: (batch, inputs).

    Returns:
        (batch,), with a gradient with respect to ``x`` that cannot be differentiated again.
    """
    assert network.is_relu
    assert network.is_frozen
    if not (x.requires_grad and torch.is_grad_enabled()):
        return _output(network, network.hidden(x)[-1]).amin(0)
    least: Tensor = _LeastMember.apply(x, network)
    return least


def _output(network: EnsemblePerceptron, last: Tensor) -> Tensor:
    """f from h_{n-1}, (E, batch)."""
    layer = network.layers[-1]
    assert isinstance(layer, EnsembleLinear)
    return torch.baddbmm(layer.bias, layer.weight.mT, last.mT)[:, 0]


class _SquaredLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, target: Tensor, network: EnsemblePerceptron, *parameters: Tensor
    ) -> tuple[Tensor, Tensor]:
        hidden = network.hidden(x)
        errors = _output(network, hidden[-1]) - target
        ctx.save_for_backward(errors, *hidden, *parameters[: len(hidden)])
        ctx.mark_non_differentiable(errors)
        return errors.square().sum(0).mul_(0.5), errors

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_losses: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        errors, *saved = ctx.saved_tensors
        depth = len(saved) // 2
        hidden, weights = saved[:depth], saved[depth:]
        gradient = errors * of_losses
        of_weights = [torch.bmm(gradient[:, None], hidden[-1]).mT]
        of_biases = [gradient.sum(1)[:, None, None]]
        back = gradient[:, :, None] * weights[-1].mT
        for weight, value, before in zip(
            weights[-2::-1], hidden[:0:-1], hidden[-2::-1], strict=True
        ):
            _mask_in_place(back, value, 0, grad_input=back)
            of_weights.append(torch.bmm(before.mT, back))
            of_biases.append(back.sum(1, keepdim=True))
            if before is not hidden[0] or ctx.needs_input_grad[0]:
                back = torch.bmm(back, weight.mT)
        of_x = back.sum(0) if ctx.needs_input_grad[0] else None
        return of_x, None, None, *of_weights[::-1], *of_biases[::-1]


class _LeastMember(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, network: EnsemblePerceptron) -> Tensor:
        ctx.hidden = network.hidden(x)
        least, ctx.member = _output(network, ctx.hidden[-1]).min(0)
        ctx.weights = [layer.weight for layer in network.layers]
        return least

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        *weights, last = ctx.weights
        found = gradient.new_empty(len(gradient), ctx.weights[0].shape[1])
        for member in range(len(last)):
            rows = (ctx.member == member).nonzero()[:, 0]
            back = gradient.index_select(0, rows)[:, None] * last[member].T
            for weight, value in zip(weights[::-1], ctx.hidden[:0:-1], strict=True):
                chosen = value[member].index_select(0, rows)
                _mask_in_place(back, chosen, 0, grad_input=back)
                back = back @ weight[member].T
            found.index_copy_(0, rows, back)
        return found, None
