"""Identity environments pay the one who does what he sees."""

import numpy as np
import pytest

from genrl.envs import environments


@pytest.mark.parametrize(("env_id", "least"), [("Identity", 0.3), ("IdentityBox", 0.0)])
def test_the_right_action_earns_1_and_others_less(env_id: str, least: float) -> None:
    source = environments.build({"name": "gymnasium", "id": f"genrl.testing:genrl/{env_id}-v0"})
    env = source.make()
    obs, _ = env.reset(seed=0)
    env.action_space.seed(0)
    right, others, seen = [], [], []
    for step in range(1, 401):
        is_right = step % 2 == 0
        action = (
            (int(obs.argmax()) if source.spec.is_discrete else obs)
            if is_right
            else env.action_space.sample()
        )
        seen.append(obs)
        obs, reward, terminated, truncated, _ = env.step(action)
        (right if is_right else others).append(float(reward))
        assert not terminated
        assert truncated is (step % 10 == 0)
        if truncated:
            obs, _ = env.reset()
    assert right == [1.0] * 200
    assert least < np.mean(others) < 0.7
    assert 0.2 < np.stack(seen).std() < 0.7
