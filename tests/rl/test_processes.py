"""Two processes share the environments and the minibatches of an agent and do what one does."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from together import together

from genrl import processes
from genrl.config import compose
from genrl.envs import Gymnasium, ShardedEnvironments, capture, restore
from genrl.rl.agent import Agent
from genrl.tasks.build_agent import AgentPlan, plan_agent

SMALL = [
    "env=pendulum",
    "env.max_episode_steps=33",
    "training.normalize_observations=true",
    "training.normalize_rewards=true",
]
ON_POLICY = ["algorithm.num_steps=24"]
OFF_POLICY = [
    "algorithm.learning_starts=20",
    "algorithm.iteration_steps=10",
    "algorithm.batch_size=16",
    "training.env_steps=120",
]
# 72 steps are minibatches of 33, 33 and 6: two that two processes cannot divide, and one.
DEFAULT = {
    "ppo algorithm.batch_size=33": [*ON_POLICY, "algorithm.epochs=2", "algorithm.max_kl=1"],
    "sac buffer=prioritized": OFF_POLICY,
}
AGENTS = {
    **DEFAULT,
    "ppo": [*ON_POLICY, "algorithm.epochs=2"],
    "ppo policy=recurrent algorithm.batch_size=48": [*ON_POLICY, "algorithm.epochs=2"],
    "trpo": ["algorithm.num_steps=8"],
    "sac": OFF_POLICY,
    "td3": OFF_POLICY,
}


def plan(name: str, num_envs: int) -> AgentPlan:
    """A small agent of an experiment."""
    experiment, *more = name.split()
    words = [f"+experiment={experiment}", *SMALL, f"env.num_envs={num_envs}", *AGENTS[name], *more]

    def no_expert(path: Path) -> Any:
        raise AssertionError

    return plan_agent(compose(words), no_expert)


def learn(agent: Agent, iterations: int) -> tuple[list[dict[str, float]], dict[str, Any]]:
    """Metrics of each iteration, and the weights in the end."""
    metrics = [agent.iterate() for _ in range(iterations)]
    agent.envs.close()
    return metrics, {key: value.numpy() for key, value in agent.algorithm.state_dict().items()}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in DEFAULT else pytest.mark.slow) for name in AGENTS],
)
def test_an_agent_learns_in_two_processes_what_it_learns_in_one(name: str, tmp_path: Path) -> None:
    metrics, weights = learn(plan(name, 3).start().agent, 3)
    assert any(key.endswith("loss") for key in metrics[-1])

    def work(rank: int) -> Any:
        return learn(plan(name, 3).start().agent, 3)

    for theirs, values in together(work, tmp_path):
        for mine, other in zip(metrics, theirs, strict=True):
            assert other == pytest.approx(mine, rel=1e-5, abs=1e-5)
        assert values.keys() == weights.keys()
        for key, value in weights.items():
            np.testing.assert_allclose(values[key], value, rtol=1e-5, atol=1e-5, err_msg=key)


PENDULUMS = Gymnasium(id="Pendulum-v1", num_envs=5, max_episode_steps=7)
ACTIONS = np.random.default_rng(0).uniform(-1, 1, (40, 5, 1)).astype(np.float32)


def steps(envs: Any, numbers: range) -> list[Any]:
    """All that steps say, the last observations of episodes too."""
    said = []
    for number in numbers:
        *outcome, info = envs.step(ACTIONS[number])
        final = info.get("final_obs", ())
        said += [*outcome, [list(obs) for obs in final if obs is not None]]
    return said


def test_shared_environments_are_those_of_one_process(tmp_path: Path) -> None:
    """Five in two processes, from their first observations on and across ends of episodes."""
    alone = PENDULUMS.make_vector()
    expected = [alone.reset(seed=[3, 4, 5, 6, 7])[0], *steps(alone, range(20))]

    def work(rank: int) -> Any:
        envs = ShardedEnvironments(PENDULUMS).make_vector()
        assert len(envs.local.envs) == (3, 2)[rank]
        return [envs.reset(seed=[3, 4, 5, 6, 7])[0], *steps(envs, range(20))]

    for found in together(work, tmp_path):
        for mine, other in zip(expected, found, strict=True):
            np.testing.assert_array_equal(other, mine)
            assert np.asarray(other).dtype == np.asarray(mine).dtype


def test_fewer_environments_than_processes_are_stepped_by_all(tmp_path: Path) -> None:
    def work(rank: int) -> Any:
        return type(ShardedEnvironments(PENDULUMS).make_vector(1)).__name__

    assert together(work, tmp_path) == ["QuietSyncVectorEnv"] * 2


def test_environments_go_on_in_more_or_fewer_processes(tmp_path: Path) -> None:
    """Their state is that of all, whoever saved it and whoever goes on with it."""
    alone = PENDULUMS.make_vector()
    alone.reset(seed=1)
    steps(alone, range(10))
    of_one = capture(alone)
    expected = steps(alone, range(10, 30))

    def fresh(state: Any, source: Any) -> list[Any]:
        envs = source.make_vector()
        envs.reset(seed=9)
        restore(envs, state)
        return steps(envs, range(10, 30))

    def work(rank: int) -> Any:
        shared = ShardedEnvironments(PENDULUMS)
        envs = shared.make_vector()
        envs.reset(seed=1)
        steps(envs, range(10))
        of_two = capture(envs)
        return of_two, fresh(of_two, shared), fresh(of_one, shared)

    (of_two, *continued), _ = together(work, tmp_path)
    for found in (*continued, fresh(of_two, PENDULUMS)):
        for mine, other in zip(expected, found, strict=True):
            np.testing.assert_array_equal(other, mine)


def test_what_processes_share(tmp_path: Path) -> None:
    def work(rank: int) -> Any:
        own = torch.tensor([1.0, 2.0]) + 4 * rank
        gradients = [own.clone(), own.clone()[:, None]]
        processes.average_gradients(gradients)
        return (
            processes.mean(own).tolist(),
            processes.mean_of_numbers({"a": rank, "b": 1.0}),
            [gradient.tolist() for gradient in gradients],
            processes.part_of(torch.arange(6)).tolist(),
            processes.part_of(torch.arange(5)).tolist(),
            processes.part_of(torch.arange(8).view(2, 4), 1).tolist(),
            processes.gather(own).tolist(),
            processes.gather_objects(f"process {rank}"),
        )

    first, second = together(work, tmp_path)
    assert (
        first[:3]
        == second[:3]
        == (
            [3.0, 4.0],
            {"a": 0.5, "b": 1.0},
            [[3.0, 4.0], [[3.0], [4.0]]],
        )
    )
    assert (first[3], second[3]) == ([0, 1, 2], [3, 4, 5])
    assert first[4] == second[4] == [0, 1, 2, 3, 4]
    assert (first[5], second[5]) == ([[0, 1], [4, 5]], [[2, 3], [6, 7]])
    assert first[6:] == second[6:] == ([1.0, 2.0, 5.0, 6.0], ["process 0", "process 1"])
