"""The EnvPool adapter: gymnasium's dynamics, both flags right, a function of its seeds."""

from typing import Any

import envpool
import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode

from genrl.envs import EnvPool, environments
from genrl.registry import ConfigurationError
from genrl.rl.rollout import Collector
from genrl.testing import check_vector_env

WHOLE = {"exclude_current_positions_from_observation": False}


@pytest.mark.parametrize(
    ("env_id", "kwargs"),
    [
        ("InvertedPendulum-v5", {}),
        ("Hopper-v5", WHOLE),
        ("Walker2d-v5", WHOLE),
        ("HalfCheetah-v5", WHOLE),
        ("Swimmer-v5", WHOLE),
        ("CartPole-v1", {}),
        ("Pendulum-v1", {}),
    ],
)
def test_same_state_and_actions_give_the_same_steps(env_id: str, kwargs: dict[str, Any]) -> None:
    pool = EnvPool(env_id, 1, None, kwargs)
    obs = pool.reset(seed=[3])[0][0]
    env = gymnasium.make(env_id, disable_env_checker=True, **kwargs)
    env.reset(seed=0)
    base: Any = env.unwrapped
    if env_id == "CartPole-v1":
        base.state = obs.astype(np.float64)
    elif env_id == "Pendulum-v1":
        base.state = np.array([np.arctan2(obs[1], obs[0]), obs[2]])
    else:
        nq, nv = base.model.nq, base.model.nv
        base.set_state(obs[:nq].copy(), obs[nq : nq + nv].copy())
    env.action_space.seed(1)
    for _ in range(50):
        action = env.action_space.sample()
        theirs = env.step(action)
        mine = pool.step(np.array([action]))
        assert mine[2][0] == theirs[2]
        last = mine[4]["final_obs"][0] if mine[2][0] else mine[0][0]
        assert np.allclose(last, theirs[0], rtol=1e-5, atol=1e-5)
        assert mine[1][0] == pytest.approx(float(theirs[1]), abs=1e-5)
        if theirs[2]:
            break
    pool.close()


@pytest.mark.parametrize("env_id", ["InvertedPendulum-v5", "CartPole-v1"])
@pytest.mark.parametrize("rescale", [False, True])
def test_conformance(env_id: str, rescale: bool) -> None:
    if rescale and env_id == "CartPole-v1":
        return
    source = environments.build(
        {
            "name": "gymnasium",
            "id": env_id,
            "backend": "envpool",
            "max_episode_steps": 12,
            "rescale_actions": rescale,
        }
    )
    check_vector_env(source.make_vector)


@pytest.mark.filterwarnings("ignore:.*Box")  # of the bare EnvPool
def test_a_termination_in_the_last_permitted_step_is_a_termination() -> None:
    # CartPole pushed to one side from seed 5 falls in step 10; EnvPool's own limit hides that.
    raw = envpool.make_gymnasium("CartPole-v1", num_envs=1, seed=5, max_episode_steps=10)
    raw.reset()
    pool = EnvPool("CartPole-v1", 1, 10)
    pool.reset(seed=[5])
    for step in range(1, 11):
        theirs = raw.step(np.zeros(1, np.int64))
        mine = pool.step(np.zeros(1, np.int64))
        assert (bool(mine[2][0]), bool(mine[3][0])) == (step == 10, step == 10)
    assert (bool(theirs[2][0]), bool(theirs[3][0])) == (False, True)
    assert abs(mine[4]["final_obs"][0][2]) > 0.2095
    assert abs(mine[0][0][2]) < 0.05
    pool.close()


def test_the_collector_counts_every_step() -> None:
    source = environments.build(
        {"name": "gymnasium", "id": "Hopper-v5", "num_envs": 4, "backend": "envpool"}
    )
    envs = source.make_vector()
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    generator = torch.Generator().manual_seed(0)
    rollout = Collector(envs, source.spec).collect(
        lambda obs, start, memory: (torch.rand(4, 3, generator=generator) * 2 - 1, memory), 200
    )
    assert rollout.num_steps == 800
    assert len(rollout.episodes) > 10
    steps = rollout.steps
    inside = ~steps.done[:-1]
    assert torch.equal(steps.next_obs[:-1][inside], steps.obs[1:][inside])
    # A hopper that fell is low or tilted; one that begins stands upright.
    fallen, fresh = steps.next_obs[:-1][~inside], steps.obs[1:][~inside]
    assert bool(((fallen[:, 0] < 0.71) | (fallen[:, 1].abs() > 0.19)).all())
    assert bool(((fresh[:, 0] > 1.2) & (fresh[:, 1].abs() < 0.01)).all())
    envs.close()


def test_refused_settings() -> None:
    with pytest.raises(ConfigurationError, match="EnvPool refuses the settings"):
        EnvPool("Hopper-v5", 1, None, {"foo": 1})
    with pytest.raises(ConfigurationError, match="Did you mean 'Hopper-v"):
        EnvPool("Hoper-v5", 1, None)
