"""The module of an agent adds nothing to it: the same numbers, the same number of iterations."""

import copy
import warnings
from typing import Any

import pytest
import torch
from lightning import Callback, Trainer
from torch import Tensor

from genrl.config import compose
from genrl.modules import AgentModule, Iterations
from genrl.registry import ConfigurationError
from genrl.rl.agent import Actor
from genrl.tasks.build_agent import BuiltAgent, build_agent

WORDS = {
    "ppo": ["algorithm.num_steps=20", "algorithm.batch_size=20", "algorithm.epochs=2"],
    "sac": ["algorithm.learning_starts=30", "algorithm.iteration_steps=20"],
}
SMALL = {
    "ppo": ["training.normalize_observations=true"],
    "sac": ["algorithm.batch_size=8", "buffer=replay", "buffer.capacity=100"],
}


def build(name: str, env_steps: int = 190, *words: str) -> BuiltAgent:
    """In two pendulums: iterations of 40 steps."""
    config = compose(
        [
            f"+experiment={name}",
            "env=pendulum",
            "env.num_envs=2",
            "env.max_episode_steps=33",
            f"training.env_steps={env_steps}",
            *WORDS[name],
            *SMALL[name],
            *words,
        ]
    )

    def no_expert(path: Any) -> Actor:
        raise AssertionError

    return build_agent(config, no_expert)


def module_of(built: BuiltAgent) -> AgentModule:
    """Silent."""
    return AgentModule(built.agent, built.environment, built.num_iterations, lambda text: None)


def fit(module: AgentModule, *callbacks: Callback, max_epochs: int = 1) -> None:
    """As `genrl train` does."""
    trainer = Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=max_epochs,
        logger=False,
        callbacks=list(callbacks),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        trainer.fit(module, Iterations(module.total_updates))


class Record(Callback):
    """The metrics after each iteration."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *rest: Any) -> None:
        self.rows.append({key: value.item() for key, value in pl_module.metrics.items()})


def tensors(state: Any) -> list[Tensor]:
    """All of them, in order."""
    if isinstance(state, Tensor):
        return [state]
    values = state.values() if isinstance(state, dict) else state
    if isinstance(state, dict | list | tuple):
        return [tensor for value in values for tensor in tensors(value)]
    return []


@pytest.mark.parametrize("name", ["ppo", "sac"])
def test_lightning_runs_the_agent_as_it_is(name: str) -> None:
    bare = build(name)
    assert bare.num_iterations == 5  # 190 steps wanted; the last iteration is a whole one
    rows = [bare.agent.iterate() for _ in range(5)]
    record, built = Record(), build(name)
    module = module_of(built)
    fit(module, record)
    for row in record.rows:
        row.pop("env_steps")
    assert record.rows == rows
    assert module.agent.interaction.iteration == 5
    mine, other = (tensors(agent.state_dict()) for agent in (module.agent, bare.agent))
    assert len(mine) > 20
    for first, second in zip(mine, other, strict=True):
        assert torch.equal(first, second)
    assert module.units_done() == bare.agent.env_steps <= 200
    assert module.about() == {
        "env_steps": bare.agent.env_steps,
        "gradient_steps": bare.agent.gradient_steps,
    }


@pytest.mark.parametrize("name", ["ppo", "sac"])
def test_a_checkpoint_goes_on(name: str) -> None:
    whole, half = build(name), build(name)
    for _ in range(5):
        whole.agent.iterate()
    first = module_of(half)
    for batch in range(2):
        first.training_step(batch, batch)
    first.updates = 2
    checkpoint: dict[str, Any] = {}
    first.on_save_checkpoint(checkpoint)
    checkpoint = copy.deepcopy(checkpoint)
    first.training_step(2, 2)
    second = module_of(build(name))
    second.on_load_checkpoint(checkpoint)
    assert second.updates == 2
    assert not second.is_over
    for batch in range(2, 5):
        second.training_step(batch, batch)
    mine, other = (tensors(agent.state_dict()) for agent in (second.agent, whole.agent))
    for one, two in zip(mine, other, strict=True):
        assert torch.equal(one, two)


def test_environments_that_cannot_be_saved_begin_anew_and_it_is_said() -> None:
    checkpoint: dict[str, Any] = {}
    module_of(build("ppo")).on_save_checkpoint(checkpoint)
    checkpoint["environments"] = None
    said: list[str] = []
    built = build("ppo")
    module = AgentModule(built.agent, built.environment, built.num_iterations, said.append)
    before = built.agent.interaction.collector.obs.clone()
    module.on_load_checkpoint(checkpoint)
    assert said[0].startswith("the state of Pendulum-v1 cannot be saved: new episodes begin")
    assert not torch.equal(built.agent.interaction.collector.obs, before)


def test_a_checkpoint_of_another_stage_is_refused() -> None:
    checkpoint: dict[str, Any] = {}
    module = module_of(build("ppo"))
    module.on_save_checkpoint(checkpoint)
    checkpoint["genrl"]["stage"] = "teacher"
    with pytest.raises(ConfigurationError, match="written in the stage 'teacher'"):
        module.on_load_checkpoint(checkpoint)


def test_health_and_headline() -> None:
    module = module_of(build("ppo"))
    assert module.headline() == ""
    assert bool(module.health().isfinite())
    module.metrics = {"loss": torch.tensor(0.5)}
    assert module.headline() == "loss 0.5000"
    module.metrics["episode_return"] = torch.tensor(-12.34)
    assert module.headline() == "return -12.3"
    del module.metrics["episode_return"]  # no episode ended: the last one is still shown
    assert module.headline() == "return -12.3"
    assert bool(module.health().isfinite())
    module.metrics["kl"] = torch.tensor(torch.nan)
    assert not bool(module.health().isfinite())


def test_iterations_go_on_where_they_were() -> None:
    loader = Iterations(5)
    assert len(loader) == 5
    numbers = iter(loader)
    assert [next(numbers), next(numbers)] == [0, 1]
    other = Iterations(5)
    other.load_state_dict(loader.state_dict())
    assert list(other) == [2, 3, 4]
