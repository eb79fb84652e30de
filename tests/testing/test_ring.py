"""The ring: a value of 50 where truncation bootstraps, and far less where it ends."""

import gymnasium
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from genrl.rl.rollout import Collector
from genrl.rl.spec import EnvSpec

GAMMA = 0.98


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
def test_the_value_is_50_only_if_truncation_bootstraps(mode: AutoresetMode) -> None:
    envs = SyncVectorEnv(
        [lambda: gymnasium.make("genrl.testing:genrl/Ring-v0")], autoreset_mode=mode
    )
    spec = EnvSpec.of("ring", envs.single_observation_space, envs.single_action_space, 8)
    rollout = Collector(envs, spec).collect(
        lambda obs, start, memory: (torch.zeros(len(obs), dtype=torch.long), memory), 90
    )
    steps = rollout.flat().map(lambda field: field.double() if field.is_floating_point() else field)
    values = {}
    for name, ends in (("right", steps.terminated), ("wrong", steps.done)):
        # Least squares of V(s) = r + γ V(s') over all transitions: the fixed point of TD(0).
        system = steps.obs.T @ (steps.obs - GAMMA * steps.next_obs * ~ends[:, None])
        values[name] = torch.linalg.solve(system, steps.obs.T @ steps.reward)
    assert values["right"].tolist() == pytest.approx([50.0] * 4, abs=1e-9)
    assert float(values["wrong"].max()) < 7.47
