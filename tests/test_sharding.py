"""Weights divided among two real processes: put together, they are those of one."""

from pathlib import Path
from typing import Any

import pytest
import torch
from together import together
from torch import Tensor, nn

from genrl import sharding

LIMIT = 0.05


class Small(nn.Module):
    """Two blocks of sizes that two processes cannot share evenly, and a scalar."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.ModuleList([nn.Linear(5, 3), nn.Linear(3, 1)])
        self.gain = nn.Parameter(torch.tensor(0.5))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x) * self.gain
        return x


def divided() -> nn.Module:
    from torch.distributed.device_mesh import init_device_mesh

    network = Small()
    sharding.divide(network, init_device_mesh("cpu", (2,)))
    return network


def test_blocks_are_the_members_of_outermost_lists() -> None:
    inner = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
    listed = nn.ModuleList([nn.ModuleList([inner, nn.Identity()]), nn.Linear(1, 1)])
    network = nn.ModuleDict({"listed": listed, "single": nn.Linear(1, 1)})
    assert sharding.blocks(network) == [inner, listed[1]]
    assert sharding.blocks(inner) == [inner]


def test_what_is_divided_is_put_together_in_the_first_process(tmp_path: Path) -> None:
    def work(rank: int) -> Any:
        network = divided()
        sizes = {key: sharding.local(p).numel() for key, p in network.named_parameters()}
        state = {"weights": [sharding.whole(dict(network.named_parameters()))], "count": 3}
        weight = network.get_parameter("layers.0.weight")
        value = sharding.divided_like(torch.arange(15.0).view(3, 5), weight)
        back = sharding.whole(value)
        there = sharding.local(value).numpy().copy()
        (weights,) = state["weights"]
        found = {key: value.detach().numpy().copy() for key, value in weights.items()}
        return sizes, found, there, back.numpy().copy()

    expected = Small().state_dict()
    first, second = together(work, tmp_path)
    assert [first[0][key] + second[0][key] for key in expected if key != "gain"] == [15, 3, 3, 1]
    assert (first[0]["layers.1.bias"], second[0]["layers.1.bias"]) == (1, 0)
    assert first[0]["gain"] == second[0]["gain"] == 1
    for key, value in expected.items():
        assert (first[1][key] == value.numpy()).all()
        assert second[1][key].size == (1 if key == "gain" else 0)
    assert (first[2] == torch.arange(10.0).view(2, 5).numpy()).all()
    assert (second[2] == torch.arange(10.0, 15.0).numpy()).all()
    assert (first[3] == torch.arange(15.0).view(3, 5).numpy()).all()


def gradients(network: nn.Module, x: Tensor, limit: float) -> tuple[float, list[Any]]:
    """The norm and the clipped gradients of all but the scalar."""
    network(x).square().mean().backward()
    weights = [p for p in network.parameters() if p.ndim]
    norm = sharding.clip_gradients(weights, limit)
    return norm.item(), [sharding.whole(p.grad).numpy().copy() for p in weights]


@pytest.mark.parametrize("limit", [LIMIT, float("inf")])
def test_the_norm_is_that_of_all_parts(tmp_path: Path, limit: float) -> None:
    x = torch.randn(4, 5, generator=torch.Generator().manual_seed(1))
    network = Small()
    network(x).square().mean().backward()
    weights = [p for p in network.parameters() if p.ndim]
    norm = nn.utils.clip_grad_norm_(weights, limit).item()
    assert norm > 2 * LIMIT
    found = together(lambda rank: gradients(divided(), x[2 * rank : 2 * rank + 2], limit), tmp_path)
    assert found[0][0] == found[1][0] == pytest.approx(norm, rel=1e-6)
    for parameter, value in zip(weights, found[0][1], strict=True):
        assert parameter.grad is not None
        torch.testing.assert_close(torch.from_numpy(value), parameter.grad, rtol=1e-6, atol=1e-8)


def test_an_optimizer_is_given_one_kind_at_a_time(tmp_path: Path) -> None:
    network = Small()
    assert sharding.groups(list(network.parameters())) == list(network.parameters())
    kinds = together(
        lambda rank: [
            [sharding.is_divided(p) for p in group["params"]]
            for group in sharding.groups(list(divided().parameters()))
        ],
        tmp_path,
    )
    assert kinds == [[[True] * 4, [False]]] * 2
