"""``genrl evaluate`` and ``genrl sample`` of an agent's run: its returns, and a video."""

from pathlib import Path

import numpy as np

from genrl.evaluation.policies import evaluate_policy
from genrl.evaluation.statistics import within_run
from genrl.evaluation.video import record_episode, write_video
from genrl.registry import ConfigurationError
from genrl.report import write_report
from genrl.run_folder import RunFolder
from genrl.tasks.agent import load_agent

EPISODES = 20
_FIRST_SEED = 500_000_000  # away from those of training and of the evaluations on the way


def evaluate_agent(folder: RunFolder, episodes: int | None) -> str:
    """Returns of the trained policy in fresh episodes; they join the run's summary and page.

    Raises:
        ConfigurationError: if the run is not finished, or no episode is asked for.
    """
    agent = load_agent(folder)
    count = EPISODES if episodes is None else episodes
    if count < 1:
        raise ConfigurationError(f"n must be at least 1, not {count}")
    envs = agent.environment.make_vector(min(10, count))
    try:
        scores = evaluate_policy(
            agent,
            envs,
            agent.spec,
            episodes=count,
            seed=_FIRST_SEED,
            memory_size=agent.memory_size,
        )
    finally:
        envs.close()
    summary = within_run(scores.returns, rng=np.random.default_rng(0))
    interval = summary.interval
    result = {
        "iqm": summary.score,
        "interval": None if interval is None else [interval.low, interval.high],
        "mean": float(scores.returns.mean()),
        "std": float(scores.returns.std(ddof=1)) if count > 1 else None,
        "episodes": count,
    }
    folder.write_summary({**folder.read_summary(), "evaluation": result})
    write_report([folder.path], folder.report)
    spread = "" if interval is None else f" [{interval.low:.1f}, {interval.high:.1f}]"
    return (
        f"{agent.spec.env_id}: interquartile mean return {summary.score:.1f}{spread} "
        f"over {count} episodes (mean {result['mean']:.1f})\n{folder.summary}\n{folder.report}"
    )


def film_agent(folder: RunFolder, seed: int, out: str | None) -> Path:
    """A video of the trained policy; returns its path.

    Raises:
        ConfigurationError: if the run is not finished, or the environment cannot be drawn.
    """
    agent = load_agent(folder)
    env = agent.environment.make(render_mode="rgb_array")
    try:
        recording = record_episode(
            agent, env, agent.spec, seed=_FIRST_SEED + seed, memory_size=agent.memory_size
        )
    finally:
        env.close()
    path = Path(out).with_suffix(".mp4") if out else folder.path / "videos" / f"seed{seed}.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, recording)
    return path
