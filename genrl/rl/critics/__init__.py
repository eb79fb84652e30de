"""Critics."""

from genrl.rl.critics.base import Critic, QCritic, ValueCritic, critics

__all__ = ["Critic", "QCritic", "ValueCritic", "critics"]
