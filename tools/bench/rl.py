"""Reinforcement learning against stable-baselines3: the same settings, one process, CPU seconds.

Each pair takes turns for a number of rounds, so that a busy machine slows both alike; what counts
is the ratio of the medians.

    python tools/bench/rl.py                 all of them
    python tools/bench/rl.py ppo_hopper sac  some
    python tools/bench/rl.py --json FILE     also write the figures

Goals: PPO on Hopper-v5 >= 2x steps/s, PPO on CartPole-v1 >= 1.5x, SAC >= 1.5x updates/s, GAE >= 10x
of the peer's loop over time, Lightning's share of an agent's run <= 3 %.
"""

import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from figures import Figure, main, turns
from gymnasium import spaces
from stable_baselines3 import PPO as PeerPPO
from stable_baselines3 import SAC as PeerSAC
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.env_util import make_vec_env

from genrl.config import compose
from genrl.rl.advantages import GAE
from genrl.rl.agent import Agent
from genrl.tasks.agent import train_agent
from genrl.tasks.build_agent import build_agent


def agent_of(*overrides: str) -> Agent:
    """Our agent of a config, as ``genrl train`` builds it."""
    config = compose([*overrides, "callback@evaluation=none"])
    return build_agent(config, lambda path: _no_expert(path)).agent


def _no_expert(path: Path) -> object:
    raise AssertionError(f"no benchmark asks an expert: {path}")


def ppo_hopper(rounds: int) -> Figure:
    """PPO with the peer's defaults on Hopper-v5: 1 x 2048 steps, batches of 64, 10 epochs."""
    agent = agent_of(
        "+experiment=ppo", "env=hopper", "env.num_envs=1", "gamma=0.99",
        "training.normalize_observations=false", "training.normalize_rewards=false",
        "algorithm.num_steps=2048", "algorithm.batch_size=64", "algorithm.epochs=10",
    )  # fmt: skip
    model = PeerPPO("MlpPolicy", make_vec_env("Hopper-v5", 1, seed=0), seed=0, device="cpu")
    ours, peer = turns(lambda: _iterate(agent, 1), _learner(model, 2048), rounds)
    return Figure("ppo_hopper", "environment steps/s", ours, peer, ours / peer, ">= 2")


def ppo_cartpole(rounds: int) -> Figure:
    """PPO on CartPole-v1: 4 x 128 steps, batches of 128, 4 epochs."""
    agent = agent_of(
        "+experiment=ppo", "env=cartpole", "env.num_envs=4", "gamma=0.99",
        "algorithm.num_steps=128", "algorithm.batch_size=128", "algorithm.epochs=4",
        "algorithm.learning_rate=2.5e-4", "algorithm.entropy_weight=0.01",
    )  # fmt: skip
    model = PeerPPO(
        "MlpPolicy", make_vec_env("CartPole-v1", 4, seed=0), n_steps=128, batch_size=128,
        n_epochs=4, learning_rate=2.5e-4, ent_coef=0.01, seed=0, device="cpu",
    )  # fmt: skip
    ours, peer = turns(lambda: _iterate(agent, 8), _learner(model, 8 * 512), rounds)
    return Figure("ppo_cartpole", "environment steps/s", ours, peer, ours / peer, ">= 1.5")


def sac(rounds: int) -> Figure:
    """SAC on Pendulum-v1: 256-256 networks, batches of 256, one update for each step."""
    agent = agent_of(
        "+experiment=sac", "env=pendulum", "env.num_envs=1", "algorithm.learning_starts=250",
        "algorithm.batch_size=256", "algorithm.updates_per_step=1", "algorithm.iteration_steps=250",
    )  # fmt: skip
    model = PeerSAC(
        "MlpPolicy", make_vec_env("Pendulum-v1", 1, seed=0), learning_starts=250, batch_size=256,
        learning_rate=1e-3, seed=0, device="cpu",
    )  # fmt: skip
    agent.iterate()
    model.learn(250)
    # Of a round of 250 updates either rate varies by a tenth with what else the machine does.
    ours, peer = turns(lambda: _iterate(agent, 1), _learner(model, 250), 4 * rounds)
    return Figure("sac", "updates/s, a step each", ours, peer, ours / peer, ">= 1.5")


def gae(rounds: int) -> Figure:
    """GAE of 8 environments and 2048 steps against the peer's loop over time."""
    length, count = 2048, 8
    rng = np.random.default_rng(0)
    reward, values = rng.normal(size=(2, length, count)).astype(np.float32)
    starts = (rng.random((length, count)) < 0.01).astype(np.float32)
    space = spaces.Box(-1, 1, (1,), np.float32)
    buffer = RolloutBuffer(length, space, space, "cpu", gae_lambda=0.95, gamma=0.99, n_envs=count)
    buffer.rewards, buffer.values, buffer.episode_starts = reward, values, starts
    last, done = torch.zeros(count), np.zeros(count)
    ours_in = [torch.from_numpy(field) for field in (reward, values, np.roll(values, -1, 0))]
    terminated = torch.from_numpy(starts > 0)
    truncated, estimator = torch.zeros_like(terminated), GAE(lam=0.95)

    def ours() -> int:
        for _ in range(20):
            estimator(*ours_in, terminated, truncated, 0.99)
        return 20

    def peer() -> int:
        buffer.compute_returns_and_advantage(last, done)
        return 1

    fast, slow = turns(ours, peer, 5 * rounds)
    return Figure("gae", "rollouts/s", fast, slow, fast / slow, ">= 10")


def lightning(rounds: int) -> Figure:
    """What `genrl train` spends outside of the agent's iterations, in CPU time.

    Both times are taken in the same run. The iterations of another run, without Lightning, differ
    from these by more than all that Lightning does, up or down, on a machine that others use too.
    """
    overrides = [
        "+experiment=ppo", "env=cartpole", "training.env_steps=65536", "callback@evaluation=none",
        "callback@progress=none", "callback@checkpoint=none", "env.num_envs=4",
        "algorithm.num_steps=128", "algorithm.batch_size=128", "algorithm.epochs=4",
    ]  # fmt: skip
    runs = []
    for number in range(rounds + 1):
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            runs.append(_timed_training(overrides, Path(folder) / str(number)))
    whole, inside = (statistics.median(seconds) for seconds in zip(*runs[1:], strict=True))
    share = statistics.median(1 - iterations / fit for fit, iterations in runs[1:])
    return Figure(
        "lightning", "s in fit, in iterations; ratio: share", whole, inside, share, "<= 0.03"
    )


def _timed_training(overrides: list[str], path: Path) -> tuple[float, float]:
    """CPU seconds in the whole loop and in the agent's iterations.

    Only the loop counts: building and reporting happen once in a run, whatever its length.
    """
    from lightning import Trainer

    seconds = {}
    originals = {Trainer: Trainer.fit, Agent: Agent.iterate}

    def timed(owner: type) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            started = time.process_time()
            result = originals[owner](*args, **kwargs)
            seconds[owner] = seconds.get(owner, 0.0) + time.process_time() - started
            return result

        return call

    Trainer.fit, Agent.iterate = timed(Trainer), timed(Agent)  # type: ignore[method-assign]
    try:
        train_agent(compose(overrides), path)
    finally:
        Trainer.fit, Agent.iterate = originals[Trainer], originals[Agent]  # type: ignore[method-assign]
    return seconds[Trainer], seconds[Agent]


def _iterate(agent: Agent, count: int) -> int:
    before = agent.env_steps
    for _ in range(count):
        agent.iterate()
    return agent.env_steps - before


def _learner(model: PeerPPO | PeerSAC, steps: int) -> Callable[[], int]:
    def learn() -> int:
        before = model.num_timesteps
        model.learn(steps, reset_num_timesteps=False)
        return model.num_timesteps - before

    return learn


BENCHMARKS = {f.__name__: f for f in (ppo_hopper, ppo_cartpole, sac, gae, lightning)}


if __name__ == "__main__":
    main(__doc__, BENCHMARKS)
