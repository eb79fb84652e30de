"""NumPy archives: three ways to write the same episodes, and what can be wrong with one."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genrl.imitation.demonstrations import demonstration_sources
from genrl.imitation.demonstrations.base import Demonstrations
from genrl.registry import ConfigurationError
from genrl.rl.spec import EnvSpec


def load(path: Path, spec: EnvSpec, **options: Any) -> Demonstrations:
    return demonstration_sources.build({"name": "npz", "path": str(path), **options}, spec).load()


def arrays_of(flat: Any, **changed: Any) -> dict[str, Any]:
    names = ("obs", "action", "reward", "terminated", "truncated")
    given = {**{name: getattr(flat, name) for name in names}, **changed}
    return {key: value for key, value in given.items() if value is not None}


def test_with_next_observations(tmp_path: Path, flat: Any, spec: EnvSpec) -> None:
    np.savez(tmp_path / "d.npz", **arrays_of(flat, next_obs=flat.next_obs))
    steps = load(tmp_path / "d.npz", spec).transitions()
    np.testing.assert_array_equal(steps.obs, flat.obs[:8])
    np.testing.assert_array_equal(steps.next_obs, flat.next_obs[:8])
    np.testing.assert_array_equal(steps.terminated, flat.terminated[:8])
    np.testing.assert_array_equal(steps.truncated, flat.truncated[:8])
    np.testing.assert_allclose(steps.action, flat.action[:8])


@pytest.mark.parametrize("is_by_ends", [False, True])
def test_last_observations_among_the_rows(
    tmp_path: Path, flat: Any, spec: EnvSpec, is_by_ends: bool
) -> None:
    """N + E rows; the cut episode is left out of the file."""
    place = [(e, t) for e, length in enumerate((3, 4, 1)) for t in range(length + 1)]
    ends = {"episode_ends": np.array([3, 7, 8]), "truncated": None} if is_by_ends else {}
    changed = {name: getattr(flat, name)[:8] for name in ("action", "reward", "terminated")}
    changed |= {"truncated": flat.truncated[:8], **ends, "obs": np.array(place, dtype=float)}
    np.savez(tmp_path / "d.npz", **arrays_of(flat, **changed))
    steps = load(tmp_path / "d.npz", spec).transitions()
    np.testing.assert_array_equal(steps.obs, flat.obs[:8])
    np.testing.assert_array_equal(steps.next_obs, flat.next_obs[:8])
    np.testing.assert_array_equal(steps.terminated, flat.terminated[:8])
    np.testing.assert_array_equal(steps.truncated, flat.truncated[:8])


def test_unknown_successors_are_not_made_up(tmp_path: Path, flat: Any, spec: EnvSpec) -> None:
    np.savez(tmp_path / "d.npz", **arrays_of(flat))
    demonstrations = load(tmp_path / "d.npz", spec)
    assert [len(episode) for episode in demonstrations.episodes] == [3, 3, 1]
    for number, episode in enumerate(demonstrations.episodes):
        assert set(episode.obs[:, 0].tolist()) == {number}


def test_ends_without_terminations_are_truncations(
    tmp_path: Path, flat: Any, spec: EnvSpec
) -> None:
    changed = {"terminated": None, "truncated": None, "episode_ends": np.array([3, 7, 8, 10])}
    np.savez(tmp_path / "d.npz", **arrays_of(flat, next_obs=flat.next_obs, **changed))
    episodes = load(tmp_path / "d.npz", spec).episodes
    assert [len(episode) for episode in episodes] == [3, 4, 1, 2]
    assert not any(episode.terminated for episode in episodes)


@pytest.mark.parametrize("shape", [(10,), (10, 1)])
def test_discrete_actions(tmp_path: Path, flat: Any, shape: tuple[int, ...]) -> None:
    spec = EnvSpec("Place-v0", 2, 3, is_discrete=True)
    action = (np.arange(10) % 3).astype(np.int32).reshape(shape)
    np.savez(tmp_path / "d.npz", **arrays_of(flat, action=action, next_obs=flat.next_obs))
    assert load(tmp_path / "d.npz", spec).transitions().action.tolist() == [*range(3)] * 2 + [0, 1]
    np.savez(tmp_path / "d.npz", **arrays_of(flat, action=action + 1))
    with pytest.raises(ConfigurationError, match="not all in 0 to 2"):
        load(tmp_path / "d.npz", spec)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reward": None}, "has no 'reward'"),
        ({"truncated": None}, "has no 'truncated'; it needs"),
        ({"episode_ends": np.array([3, 11])}, "rising numbers of steps from 1 to 10"),
        ({"episode_ends": np.array([7, 3])}, "rising numbers"),
        ({"episode_ends": np.array([0, 3])}, "rising numbers"),
        ({"obs": np.zeros((12, 2))}, "'obs' has 12 rows, but there are 10 steps"),
        # As many as with the last ones of the three that end; a fourth does not.
        ({"obs": np.zeros((13, 2))}, "'obs' has 13 rows, but there are 10 steps"),
        ({"obs": np.full((10, 2), np.nan)}, "obs holds NaN"),
        ({"obs": np.zeros((10, 7))}, "another environment"),
        ({"terminated": np.zeros(10), "truncated": np.zeros(10)}, "no whole episode"),
        ({"action": np.zeros((0, 1))}, "is empty"),
        ({"action": np.array([{}] * 10)}, "damaged, cut short or of another format"),
    ],
)
def test_wrong_contents(
    tmp_path: Path, flat: Any, spec: EnvSpec, changes: dict[str, Any], message: str
) -> None:
    np.savez(tmp_path / "d.npz", **arrays_of(flat, **changes))
    with pytest.raises(ConfigurationError, match=re.escape(message)) as error:
        load(tmp_path / "d.npz", spec)
    assert str(tmp_path / "d.npz") in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("is_compressed", [False, True])
@pytest.mark.parametrize("fraction", [0.0, 0.2, 0.5, 0.8, 0.99])
def test_a_truncated_file(
    tmp_path: Path, flat: Any, spec: EnvSpec, fraction: float, is_compressed: bool
) -> None:
    path = tmp_path / "d.npz"
    (np.savez_compressed if is_compressed else np.savez)(path, **arrays_of(flat))
    content = path.read_bytes()
    path.write_bytes(content[: int(fraction * len(content))])
    with pytest.raises(ConfigurationError, match="damaged"):
        load(path, spec)


def test_altered_bytes(tmp_path: Path, flat: Any, spec: EnvSpec) -> None:
    path = tmp_path / "d.npz"
    np.savez(path, **arrays_of(flat))
    content = bytearray(path.read_bytes())
    content[content.find(flat.obs.tobytes()) + 20] ^= 255
    path.write_bytes(bytes(content))
    with pytest.raises(ConfigurationError, match="damaged"):
        load(path, spec)


def test_other_files(tmp_path: Path, spec: EnvSpec) -> None:
    np.save(tmp_path / "d.npy", np.zeros(3))
    with pytest.raises(ConfigurationError, match=r"single array; save with numpy\.savez"):
        load(tmp_path / "d.npy", spec)
    with pytest.raises(ConfigurationError, match=r"Did you mean '.*d\.npy'"):
        load(tmp_path / "d.npz", spec)
