"""Training of a classifier by a fixed number of updates."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from genrl.typing import Data, Labels


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained: AdamW, a learning rate that rises and falls once.

    Args:
        updates: optimizer steps; at least 1.
        batch_size: examples in a step.
        learning_rate: its peak.
        weight_decay: of AdamW.
        max_shift: pixels by which images move at random, up to this far in both directions.
        use_flips: whether images are mirrored at random; wrong for letters and digits.
        seed: of the initial weights, the batches, the shifts and the flips.
    """

    updates: int
    batch_size: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    max_shift: int = 0
    use_flips: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.updates < 1 or self.batch_size < 1 or self.max_shift < 0:
            raise ValueError("updates and batch_size must be at least 1, max_shift at least 0")


def train_classifier(network: nn.Module, x: Data, label: Labels, recipe: Recipe) -> None:
    """Train the network in place, on the device of x; leaves it in eval mode.

    Works within an evaluation loop too: gradients are switched on, autocast off. Draws no number
    from the global generators.
    """
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.autocast(x.device.type, enabled=False),
    ):
        _train(network.to(x.device), x.clone().float(), label.clone().long(), recipe)


def _train(network: nn.Module, x: Data, label: Labels, recipe: Recipe) -> None:
    generator = torch.Generator().manual_seed(recipe.seed)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=max(2, recipe.updates), cycle_momentum=False
    )
    network.train()
    order = torch.empty(0, dtype=torch.long)
    for _ in range(recipe.updates):
        while len(order) < recipe.batch_size:
            order = torch.cat([order, torch.randperm(len(x), generator=generator)])
        batch, order = order[: recipe.batch_size].to(x.device), order[recipe.batch_size :]
        _, logits = network(_augmented(x[batch], recipe, generator))
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(functional.cross_entropy(logits, label[batch]))
        optimizer.step()
        schedule.step()
    network.eval()


def _augmented(x: Data, recipe: Recipe, generator: torch.Generator) -> Data:
    """One shift for the whole batch (batches are many), a flip for each image."""
    if recipe.max_shift > 0:
        pad, (height, width) = recipe.max_shift, x.shape[-2:]
        down, right = torch.randint(2 * pad + 1, (2,), generator=generator).tolist()
        x = functional.pad(x, (pad, pad, pad, pad), mode="replicate")
        x = x[..., down : down + height, right : right + width]
    if recipe.use_flips:
        flips = torch.rand(len(x), generator=generator) < 0.5
        x = torch.where(flips.to(x.device)[:, None, None, None], x.flip(-1), x)
    return x
