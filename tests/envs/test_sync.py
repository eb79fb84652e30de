"""The quiet vector environment does what gymnasium's does, and says less."""

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from genrl.envs.sync import QuietSyncVectorEnv
from genrl.testing import check_autoreset

MODES = [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP]


@pytest.mark.parametrize("mode", MODES)
def test_it_conforms(mode: AutoresetMode) -> None:
    check_autoreset(lambda makers: QuietSyncVectorEnv(makers, autoreset_mode=mode))


@pytest.mark.parametrize("mode", MODES)
def test_it_steps_like_gymnasium(mode: AutoresetMode) -> None:
    makers = [lambda: gymnasium.make("Hopper-v5")] * 2
    quiet, loud = (
        kind(makers, autoreset_mode=mode) for kind in (QuietSyncVectorEnv, SyncVectorEnv)
    )
    rng = np.random.default_rng(0)
    assert quiet.reset(seed=3)[1] == {}
    loud.reset(seed=3)
    ends = 0
    for _ in range(100):
        action = rng.uniform(-1, 1, (2, 3)).astype(np.float32)
        *ours, info = quiet.step(action)
        *theirs, told = loud.step(action)
        for mine, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(mine, other)
        kept = {"final_obs", "_final_obs"} & set(told)
        assert set(info) == kept
        for key in kept:
            for mine, other in zip(info[key], told[key], strict=True):
                np.testing.assert_array_equal(mine, other)
        ends += bool(kept)
    assert (ends > 1) is (mode is AutoresetMode.SAME_STEP)
