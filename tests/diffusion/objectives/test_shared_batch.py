"""The parts of a batch in several processes are the batch of one, for every objective."""

import pytest
import torch

from genrl.diffusion import CosineSchedule, Denoiser, Objective, Parts, VParameterization
from genrl.diffusion.guidance import Sources, guidances
from genrl.diffusion.noise import SharedGenerator, draw, rand, randint, randn
from genrl.diffusion.objectives import objectives
from genrl.diffusion.time_grids import time_grids
from genrl.diffusion.time_samplers import time_samplers
from genrl.diffusion.weightings import weightings
from genrl.networks import MLP
from genrl.typing import DataSpec

CHOICES = {
    "progressive_distillation": {"steps": 2},
    "tract": {"steps": 2},
    "consistency_distillation": {"intervals": 4},
}
SPEC = DataSpec((3,), num_classes=2, num_levels=17)


def build(name: str) -> tuple[Objective, Denoiser, Denoiser]:
    """An objective, a student and a teacher in fp64, where rounding is far below a mistake."""
    schedule = CosineSchedule()
    weighting = "vlb" if name == "variational" else "truncated_snr"
    parts = Parts(
        schedule,
        weightings.build({"name": weighting}, schedule),
        time_samplers.build({"name": "low_discrepancy"}, schedule),
        time_grids.build({"name": "uniform"}, schedule),
        guidances.build({"name": "cfg"}, SPEC.num_classes, Sources()),
        SPEC.num_classes,
        SPEC.num_levels,
    )
    denoisers = []
    for seed in range(2):
        torch.manual_seed(seed)
        network = MLP(SPEC, features=8, num_layers=1)
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        denoisers.append(Denoiser(network, schedule, VParameterization()).double())
    objective = objectives.build({"name": name, **CHOICES.get(name, {})}, parts)
    return objective.at(0.3, denoisers[0]), *denoisers


@pytest.mark.parametrize("name", objectives.names())
def test_the_mean_loss_of_the_parts_is_that_of_the_whole(name: str) -> None:
    objective, student, teacher = build(name)
    chosen = teacher if objective.needs_teacher else None
    x = torch.linspace(-1, 1, 24, dtype=torch.float64).view(8, 3)
    label = torch.arange(8) % 2
    generator = torch.Generator()

    def loss(part: slice, source: torch.Generator | SharedGenerator) -> float:
        generator.manual_seed(7)
        return objective(student, chosen, x[part], label[part], source).loss.item()

    whole = loss(slice(None), generator)
    for count in (2, 4):
        size = 8 // count
        found = [
            loss(slice(rank * size, (rank + 1) * size), SharedGenerator(generator, rank, count))
            for rank in range(count)
        ]
        assert sum(found) / count == pytest.approx(whole, rel=1e-9)
        assert len(set(found)) == count


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("kind", ["randn", "rand", "randint", *time_samplers.names()])
def test_numbers_of_the_parts_are_those_of_the_whole(kind: str, device: str) -> None:
    generator = torch.Generator(device)
    numbers = {
        "randn": lambda n, g: randn((n, 5), g, device=device),
        "rand": rand,
        "randint": lambda n, g: randint(100, n, g),
    }.get(kind)
    if numbers is None:
        sampler = time_samplers.build({"name": kind}, CosineSchedule())
        times = sampler.sample(6, torch.Generator(device).manual_seed(1))
        assert torch.equal(sampler.draw(6, generator.manual_seed(1)), times)
        numbers = sampler.draw
    whole = numbers(6, generator.manual_seed(1))
    parts = [numbers(2, SharedGenerator(generator.manual_seed(1), rank, 3)) for rank in range(3)]
    assert torch.equal(torch.cat(parts), whole)
    assert len(whole.flatten().unique()) > 4


def test_a_generator_of_one_process_draws_as_it_always_did() -> None:
    drawn = draw(lambda n, g: torch.rand(n, generator=g), 4, torch.Generator().manual_seed(2))
    assert torch.equal(drawn, torch.rand(4, generator=torch.Generator().manual_seed(2)))
