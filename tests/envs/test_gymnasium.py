"""The gymnasium source against gymnasium itself, its checkers and stable-baselines3's."""

import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import yaml
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common import env_checker as sb3

import genrl.testing  # noqa: F401  (registers genrl/...)
from genrl.envs import Gymnasium, environments
from genrl.registry import ConfigurationError

CONFIGS = sorted((Path(__file__).parents[2] / "conf/env").glob("*.yaml"))


def source(**parameters: Any) -> Gymnasium:
    built = environments.build({"name": "gymnasium", **parameters})
    assert isinstance(built, Gymnasium)
    return built


class DictEnv(gymnasium.Env[Any, Any]):
    """Observes a picture and a symbol."""

    observation_space = spaces.Dict(
        {"picture": spaces.Box(0, 255, (2, 2), np.uint8), "symbol": spaces.Discrete(3)}
    )
    action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return {"picture": np.array([[1, 2], [3, 4]], np.uint8), "symbol": 2}, {}


gymnasium.register("genrl_tests/Dict-v0", DictEnv)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_ready_configs(path: Path) -> None:
    config = yaml.safe_load(path.read_text())
    assert config.pop("defaults") == ["gymnasium", "_self_"]
    spec = source(**config).spec
    env = gymnasium.make(config["id"])
    assert (spec.obs_size,) == env.observation_space.shape
    assert spec.max_episode_steps == env.spec.max_episode_steps  # type: ignore[union-attr]
    assert f"{spec.obs_size} observations, {spec.action_size} " in path.read_text()


def test_all_tasks_are_ready() -> None:
    assert {path.stem for path in CONFIGS} == {
        "pendulum", "cartpole", "inverted_pendulum", "hopper", "walker2d", "half_cheetah", "ant",
        "humanoid", "reacher", "swimmer",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"id": "hopper"}, "no environment is called 'hopper'. Did you mean 'Hopper-v5'?"),
        ({"id": "Hoper-v5"}, "Did you mean 'Hopper-v5'?"),
        ({"id": "Hopper-v99"}, "Did you mean 'Hopper-v5'?"),
        ({"id": "inverted_pendulum"}, "Did you mean 'InvertedPendulum-v5'?"),
        ({"id": "zzz"}, "no environment is called 'zzz'. All of them: "),
        ({"id": "no_such_module:Hopper-v5"}, "the module 'no_such_module', which cannot be"),
        ({"id": "genrl.testing:genrl/Rong-v0"}, "Did you mean 'genrl/Ring-v0'?"),
        ({}, "env 'gymnasium' needs a value for 'id'"),
        ({"id": "Hopper-v5", "kwargs": {"foo": 1}}, "unexpected keyword argument 'foo'"),
        ({"id": "LunarLander-v3"}, "LunarLander-v3 cannot be made: Box2D is not installed"),
        ({"id": "CartPole-v1", "rescale_actions": True}, "set env.rescale_actions=false"),
        ({"id": "FrozenLake-v1", "flatten": False}, "flatten them first (env.flatten=true)"),
        ({"id": "CartPole-v1", "num_envs": 0}, "num_envs must be at least 1, not 0"),
        ({"id": "CartPole-v1", "frame_stack": 0}, "frame_stack must be at least 1, not 0"),
        ({"id": "CartPole-v1", "max_episode_steps": 0}, "max_episode_steps must be at least 1"),
        ({"id": "CartPole-v1", "backend": "pool"}, "'pool' is not a value of 'backend'"),
    ],
)
def test_mistakes_are_named(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        source(**parameters)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_module_ids_import_the_module() -> None:
    spec = source(id="genrl.testing:genrl/Ring-v0").spec
    assert (spec.obs_size, spec.action_size, spec.max_episode_steps) == (4, 2, 8)


@pytest.mark.parametrize("env_id", ["Hopper-v5", "CartPole-v1", "Pendulum-v1"])
def test_async_equals_sync(env_id: str) -> None:
    one, other = (
        source(id=env_id, num_envs=3, backend=backend, max_episode_steps=30).make_vector()
        for backend in ("sync", "async")
    )
    seeds: Any = [4, 9, 2]
    assert np.array_equal(one.reset(seed=seeds)[0], other.reset(seed=seeds)[0])
    one.action_space.seed(0)
    ends = 0
    for _ in range(80):
        action = one.action_space.sample()
        mine, theirs = one.step(action), other.step(action)
        for left, right in zip(mine[:4], theirs[:4], strict=True):
            assert np.array_equal(left, right)
        if "final_obs" in mine[4]:
            for i in np.flatnonzero(mine[2] | mine[3]):
                ends += 1
                assert np.array_equal(mine[4]["final_obs"][i], theirs[4]["final_obs"][i])
    assert ends > 5
    other.close()


def test_rescaled_actions_reach_the_bounds() -> None:
    plain, scaled = (source(id="Pendulum-v1", rescale_actions=flag) for flag in (False, True))
    assert (plain.spec.low, plain.spec.high) == ((-2.0,), (2.0,))
    assert (scaled.spec.low, scaled.spec.high) == ((-1.0,), (1.0,))
    for action in (-1.0, 0.25, 1.0):
        one, other = plain.make(), scaled.make()
        one.reset(seed=0)
        other.reset(seed=0)
        left = one.step(np.array([2 * action], np.float32))
        right = other.step(np.array([action], np.float32))
        assert np.array_equal(left[0], right[0])


@pytest.mark.parametrize("backend", ["sync", "async", "envpool"])
def test_the_time_limit_truncates(backend: str) -> None:
    envs = source(id="Pendulum-v1", num_envs=2, backend=backend, max_episode_steps=7).make_vector()
    envs.reset(seed=0)
    for step in range(1, 15):
        _, _, terminated, truncated, _ = envs.step(np.zeros((2, 1), np.float32))
        assert not terminated.any()
        assert truncated.tolist() == [step % 7 == 0] * 2
    envs.close()


def test_stacked_frames_are_the_last_observations() -> None:
    env = source(id="Pendulum-v1", frame_stack=3).make()
    plain = gymnasium.make("Pendulum-v1")
    first, _ = plain.reset(seed=0)
    seen = [first, first, first]
    obs, _ = env.reset(seed=0)
    for _ in range(5):
        assert np.array_equal(obs, np.concatenate(seen[-3:]))
        seen.append(plain.step(np.ones(1, np.float32))[0])
        obs = env.step(np.ones(1, np.float32))[0]


def test_other_observations_are_flattened() -> None:
    made = source(id="genrl_tests/Dict-v0")
    assert made.spec.obs_size == 7
    assert made.make().reset()[0].tolist() == [1, 2, 3, 4, 0, 0, 1]
    lake = source(id="FrozenLake-v1").make()
    assert lake.reset(seed=0)[0].tolist() == [1] + [0] * 15


def test_further_arguments_reach_the_environment() -> None:
    action = np.zeros(3, np.float32)
    rewards = []
    for parameters in ({}, {"healthy_reward": 0.0}):
        env = source(id="Hopper-v5", kwargs=parameters).make()
        env.reset(seed=0)
        rewards.append(float(env.step(action)[1]))
    assert rewards[0] - rewards[1] == pytest.approx(1.0, abs=1e-12)


def test_a_rendering_mode_is_passed_on() -> None:
    assert source(id="CartPole-v1").make(render_mode="rgb_array").render_mode == "rgb_array"


@pytest.mark.filterwarnings("ignore")  # advice about spaces that are gymnasium's own
@pytest.mark.parametrize(
    "parameters",
    [
        {"id": "Pendulum-v1"},
        {"id": "Hopper-v5", "absorbing_states": True},
        {"id": "CartPole-v1", "absorbing_states": True, "frame_stack": 3},
        {"id": "Pendulum-v1", "rescale_actions": True, "frame_stack": 2},
        {"id": "FrozenLake-v1", "absorbing_states": True},
        {"id": "genrl/Counting-v0"},
        {"id": "genrl/Ring-v0"},
        {"id": "genrl/Identity-v0"},
        {"id": "genrl/IdentityBox-v0"},
    ],
    ids=lambda p: "-".join(map(str, p.values())),
)
def test_foreign_checkers(parameters: dict[str, Any]) -> None:
    check_env(source(**parameters).make(), skip_render_check=True)
    sb3.check_env(source(**parameters).make(), skip_render_check=True)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"id": "Hopper-v5", "absorbing_states": True}, "envpool has no absorbing_states"),
        ({"id": "Hopper-v5", "frame_stack": 2}, "envpool has no frame_stack"),
        ({"id": "FrozenLake-v1"}, "choose env.backend=sync or async"),
        ({"id": "genrl/Ring-v0"}, "EnvPool has no environment genrl/Ring-v0."),
    ],
)
def test_what_envpool_cannot_do(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        source(**parameters, backend="envpool").make_vector()


def test_a_missing_envpool_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "envpool", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'genrl\[envpool\]'"):
        source(id="Hopper-v5", backend="envpool").make_vector()
