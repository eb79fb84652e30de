"""Gradient steps of small networks, where the bookkeeping around a step costs more than the step.

A policy of two layers has a forward and a backward pass of half a millisecond; torch's Adam with
clipping adds a quarter. `Adam` calls the same fused kernel without the rest.
"""

import itertools
from collections.abc import Iterable
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from genrl import processes


class Stateful(Protocol):
    """An optimizer as a checkpoint sees it."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> None: ...


def descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """Clear gradients, differentiate, step."""
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


class Adam:
    """Adam with gradient clipping; the numbers are those of `torch.optim.Adam` and
    `torch.nn.utils.clip_grad_norm_`.

    Args:
        parameters: to learn.
        learning_rate: may be changed between steps.
        eps: added to the root of the second moment.
        clip: largest norm of the gradient; 0 for none.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        learning_rate: float,
        *,
        eps: float = 1e-8,
        clip: float = 0.0,
    ) -> None:
        self.parameters = list(parameters)
        self.learning_rate, self.eps, self.clip = learning_rate, eps, clip
        self.first = [torch.zeros_like(p) for p in self.parameters]
        self.second = [torch.zeros_like(p) for p in self.parameters]
        # Views of one tensor: one addition counts for all, where one each takes a tenth of a step.
        self.counts = torch.zeros(len(self.parameters), device=self.parameters[0].device)
        self.steps = list(self.counts.unbind())

    def descend(self, loss: Tensor) -> Tensor | None:
        """Differentiate, clip, step; returns the norm before clipping where there is a limit."""
        for parameter in self.parameters:
            parameter.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        return self.step()

    @torch.no_grad()
    def step(self) -> Tensor | None:
        """Clip and step with the gradients that are there; parameters without one stay.

        A gradient lies in memory as its parameter does, as autograd makes it. Several processes
        take the mean of their gradients.
        """
        gradients = [g for p in self.parameters if (g := p.grad) is not None]
        lists: list[list[Tensor]] = [[*self.parameters], self.first, self.second, self.steps]
        are_all = len(gradients) == len(self.parameters)
        if not are_all:
            has_one = [p.grad is not None for p in self.parameters]
            lists = [list(itertools.compress(each, has_one)) for each in lists]
        parameters, first, second, steps = lists
        processes.average_gradients(gradients)
        norm = scale = None
        if self.clip:
            norm = torch.stack(torch._foreach_norm(gradients)).norm()
            # The kernel divides by the scale, a float; 1e-6 is clip_grad_norm_'s.
            scale = ((norm + 1e-6) / self.clip).clamp_(min=1.0).float()
        if are_all:
            self.counts.add_(1)
        else:
            torch._foreach_add_(steps, 1)
        torch._fused_adam_(
            parameters,
            gradients,
            first,
            second,
            [],
            steps,
            lr=self.learning_rate,
            beta1=0.9,
            beta2=0.999,
            weight_decay=0.0,
            eps=self.eps,
            amsgrad=False,
            maximize=False,
            grad_scale=scale,
            found_inf=None,
        )
        return norm

    def state_dict(self) -> dict[str, Any]:
        """Moments and counts."""
        return {"first": self.first, "second": self.second, "steps": self.steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        for name in ("first", "second", "steps"):
            for mine, saved in zip(getattr(self, name), state_dict[name], strict=True):
                mine.copy_(saved)
