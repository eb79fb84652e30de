"""A flow-matching policy: chunks of actions along straight paths from noise.

z = (1 - t) a + t ε; the network learns the velocity ε - a and a few steps of Euler's method lead
back. Lipman et al. 2023, Flow Matching for Generative Modeling.
"""

from genrl.diffusion import (
    EulerSampler,
    UniformTimeGrid,
    VelocityWeighting,
)
from genrl.diffusion.building import build_denoiser
from genrl.rl.policies.base import policies
from genrl.rl.policies.chunks import Chunking, ChunkPolicy
from genrl.rl.spec import EnvSpec


@policies.register("flow")
class FlowPolicy(ChunkPolicy):
    """Plans chunks of actions by flow matching.

    Args:
        spec: of the environment, with continuous actions.
        horizon: actions in a plan.
        action_steps: of them that are executed before planning anew.
        obs_steps: observations that a plan depends on.
        features: of the network's hidden layers; a multiple of 4.
        num_layers: of the network.
        num_steps: of Euler's method, for each plan.
        average: decay of the moving average of the weights, which acts; 0 for none.

    Raises:
        ConfigurationError: if actions are discrete.
        ValueError: if a number is out of its range.
    """

    def __init__(
        self,
        spec: EnvSpec,
        *,
        horizon: int = 16,
        action_steps: int = 8,
        obs_steps: int = 2,
        features: int = 128,
        num_layers: int = 3,
        num_steps: int = 8,
        average: float = 0.995,
    ) -> None:
        chunking = Chunking(obs_steps, horizon, action_steps)
        denoiser = build_denoiser(
            chunking.data(spec),
            network={"name": "mlp", "features": features, "num_layers": num_layers},
            schedule="flow",
            parameterization="flow_velocity",
        )
        schedule = denoiser.schedule
        sampler = EulerSampler(schedule, UniformTimeGrid(schedule), steps=num_steps)
        super().__init__(spec, chunking, denoiser, sampler, VelocityWeighting(schedule), average)
