"""The device that stands in for a GPU: it refuses what CUDA refuses, and computes as the CPU."""

import io

import pytest
import torch
from torch import Tensor, nn

from genrl.testing import ELSEWHERE, elsewhere


def numbers(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_tensors_of_two_devices_are_refused_but_for_numbers_and_indices() -> None:
    here, index = numbers(3, 2), torch.tensor([2, 0])
    with elsewhere():
        there = here.to(ELSEWHERE)
        assert there.device == ELSEWHERE != here.device
        for mixed in (
            lambda: there + here,
            lambda: here @ there.T,
            lambda: torch.cat([there, here]),
            lambda: torch.stack([there.sum(), here.sum()]),
            lambda: torch.where(there > 0, there, here),
            lambda: there.add_(here),
            lambda: here[index.to(ELSEWHERE)],
            lambda: nn.functional.linear(there, here),
            lambda: there.index_put_((index,), here[:2]),
        ):
            with pytest.raises(RuntimeError, match=r"on one device|same device"):
                mixed()
        assert torch.equal((there * torch.tensor(2.0) + 1).cpu(), here * 2 + 1)
        assert torch.equal(there[index].cpu(), here[index])
        assert torch.equal(here.clone().copy_(there), here)
        assert there.sum().item() == here.sum().item()
        assert there.tolist() == here.tolist()
        assert torch.tensor([1.0, 2.0], device=ELSEWHERE).tolist() == [1.0, 2.0]


def test_a_generator_draws_on_its_own_device() -> None:
    older = torch.Generator().manual_seed(0)
    with elsewhere():
        assert torch.equal(torch.randn(3, 2, generator=older), numbers(3, 2))
        there = torch.Generator(ELSEWHERE).manual_seed(0)
        assert there.device == ELSEWHERE
        assert isinstance(there, torch.Generator)
        drawn = torch.randn(3, 2, generator=there, device=there.device)
        assert torch.equal(drawn.cpu(), numbers(3, 2))
        with pytest.raises(RuntimeError, match="another device"):
            torch.randn(3, generator=there)
        with pytest.raises(RuntimeError, match="another device"):
            torch.randn(3, generator=torch.Generator(), device=ELSEWHERE)


def test_training_gives_the_weights_of_the_cpu() -> None:
    def trained(device: torch.device) -> tuple[bytes, list[Tensor]]:
        torch.manual_seed(0)
        layers = nn.Sequential(nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.SiLU(), nn.Flatten())
        model = nn.Sequential(layers, nn.Linear(16, 2)).to(device)
        optimizer = torch.optim.AdamW(model.parameters(), fused=True)
        x = numbers(8, 1, 4, 4).to(device)
        for _ in range(3):
            loss = model(x).square().mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.1)
            optimizer.step()
        file = io.BytesIO()
        torch.save(model.state_dict(), file)
        return file.getvalue(), [value.cpu() for value in model.state_dict().values()]

    _, expected = trained(torch.device("cpu"))
    with elsewhere():
        saved, weights = trained(ELSEWHERE)
    opened = torch.load(io.BytesIO(saved), weights_only=True)
    for mine, restored, theirs in zip(weights, opened.values(), expected, strict=True):
        assert torch.equal(mine, theirs)
        assert torch.equal(restored, theirs)
        assert type(restored) is Tensor


def test_afterwards_everything_is_as_before() -> None:
    before = (torch.Generator, torch.autocast, torch.is_autocast_enabled)
    with elsewhere():
        assert torch.Generator is not before[0]
    assert (torch.Generator, torch.autocast, torch.is_autocast_enabled) == before
    assert torch.zeros(2, device="meta").is_meta
    with pytest.raises((RuntimeError, NotImplementedError)):
        torch.zeros((), device="meta").item()
