"""Natural gradients without a matrix.

F is the Hessian of the mean KL(π_old ‖ π_θ) at θ = θ_old, π_old held fixed: the Fisher information.
F v is the gradient of (∇KL · v), two backward passes; F⁻¹ g follows by conjugate gradients.
Pearlmutter 1994, Fast Exact Multiplication by the Hessian; Hestenes & Stiefel 1952.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn


def conjugate_gradient(
    product: Callable[[Tensor], Tensor],
    target: Tensor,
    *,
    iterations: int,
    tolerance: float = 1e-10,
) -> Tensor:
    """x with A x = target for a symmetric positive definite A, in the target's precision.

    Args:
        product: v -> A v.
        target: (n,).
        iterations: at most; n of them are exact but for rounding.
        tolerance: stops once |target - A x| <= tolerance |target|.
    """
    x = torch.zeros_like(target)
    residual, direction = target.clone(), target.clone()
    squared = residual @ residual
    enough = tolerance**2 * squared
    for _ in range(iterations):
        if not squared > enough:
            break
        image = product(direction)
        step = squared / (direction @ image)
        x = x + step * direction
        residual = residual - step * image
        before, squared = squared, residual @ residual
        direction = residual + squared / before * direction
    return x


def hessian_product(
    function: Tensor, parameters: Sequence[nn.Parameter]
) -> Callable[[Tensor], Tensor]:
    """v -> H v, with H the Hessian of a number in the parameters, which its graph contains."""
    gradient = flat_gradient(function, parameters, create_graph=True)

    def product(vector: Tensor) -> Tensor:
        slope = gradient @ vector.to(gradient.dtype)
        return flat_gradient(slope, parameters, retain_graph=True).to(vector.dtype)

    return product


def flat_gradient(
    function: Tensor,
    parameters: Sequence[nn.Parameter],
    *,
    create_graph: bool = False,
    retain_graph: bool | None = None,
) -> Tensor:
    """The gradient of a number as one vector; zeros where a parameter does not matter."""
    gradients = torch.autograd.grad(
        function,
        list(parameters),
        create_graph=create_graph,
        retain_graph=retain_graph,
        allow_unused=True,
        materialize_grads=True,
    )
    return torch.cat([gradient.reshape(-1) for gradient in gradients])


def flat_values(parameters: Sequence[nn.Parameter]) -> Tensor:
    """A copy of the parameters as one vector."""
    return torch.cat([parameter.detach().reshape(-1) for parameter in parameters])


@torch.no_grad()
def assign(parameters: Sequence[nn.Parameter], values: Tensor) -> None:
    """Inverse of `flat_values`."""
    sizes = [parameter.numel() for parameter in parameters]
    for parameter, part in zip(parameters, torch.split(values, sizes), strict=True):
        parameter.copy_(part.view_as(parameter))
