"""The page of agents: reinforcement learning and imitation, compared across seeds."""

from genrl.report.agents.page import agents_page
from genrl.report.agents.reading import read_agent_run

__all__ = ["agents_page", "read_agent_run"]
