"""The least member of an ensemble of perceptrons, and its gradient with respect to the input.

min_e f_e(x) is one member's value, so that its gradient runs back through that member alone: half
of the products of a backward pass through two members, a tenth through ten.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from genrl.networks.perceptron import EnsemblePerceptron


def least_member(network: EnsemblePerceptron, x: Tensor) -> Tensor:
    """min_e f_e(x) of an ensemble with frozen weights, ReLU between its layers and one output.

    Args:
        network: whose weights take no gradient.
        x: (batch, inputs).

    Returns:
        (batch,), with a gradient with respect to ``x`` that cannot be differentiated again.
    """
    assert network.is_frozen
    assert network.is_relu
    least: Tensor = _LeastMember.apply(x, network)
    return least


class _LeastMember(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, network: EnsemblePerceptron) -> Tensor:
        *hidden, values = network.values(x)
        least, ctx.member = values.squeeze(-1).min(0)
        ctx.weights = [layer.weight for layer in network.layers]
        ctx.save_for_backward(*hidden)
        return least

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        *weights, last = ctx.weights
        found = gradient.new_empty(len(gradient), ctx.weights[0].shape[1])
        for member in range(len(last)):
            rows = (ctx.member == member).nonzero()[:, 0]
            back = gradient.index_select(0, rows)[:, None] * last[member].T
            for weight, value in zip(weights[::-1], ctx.saved_tensors[::-1], strict=True):
                chosen = value[member].index_select(0, rows)
                back = torch.ops.aten.threshold_backward(back, chosen, 0) @ weight[member].T
            found.index_copy_(0, rows, back)
        return found, None
