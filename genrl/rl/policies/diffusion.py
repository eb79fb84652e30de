"""Diffusion Policy: chunks of actions from a diffusion model conditioned on observations.

Trained by denoising demonstrated chunks. It represents several ways of acting at once, where the
mean of them would be none. Chi et al. 2023, Diffusion Policy.
"""

from genrl.diffusion.building import build_denoiser, build_sampler
from genrl.diffusion.weightings.base import weightings
from genrl.rl.policies.base import policies
from genrl.rl.policies.chunks import Chunking, ChunkPolicy
from genrl.rl.spec import EnvSpec


@policies.register("diffusion")
class DiffusionPolicy(ChunkPolicy):
    """Plans chunks of actions by denoising them (Diffusion Policy).

    Args:
        spec: of the environment, with continuous actions.
        horizon: actions in a plan.
        action_steps: of them that are executed before planning anew.
        obs_steps: observations that a plan depends on.
        features: of the network's hidden layers; a multiple of 4.
        num_layers: of the network.
        num_steps: of the sampler, for each plan.
        schedule: of the noise, by name.
        parameterization: of the network's output, by name.
        weighting: of the loss, by name; ``snr_plus_one`` is the error in v.
        sampler: by name.
        average: decay of the moving average of the weights, which acts; 0 for none.

    Raises:
        ConfigurationError: if actions are discrete or a name is unknown.
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
        num_steps: int = 16,
        schedule: str = "cosine",
        parameterization: str = "v",
        weighting: str = "snr_plus_one",
        sampler: str = "ddim",
        average: float = 0.995,
    ) -> None:
        chunking = Chunking(obs_steps, horizon, action_steps)
        denoiser = build_denoiser(
            chunking.data(spec),
            network={"name": "mlp", "features": features, "num_layers": num_layers},
            schedule=schedule,
            parameterization=parameterization,
        )
        super().__init__(
            spec,
            chunking,
            denoiser,
            build_sampler({"name": sampler, "steps": num_steps}, denoiser.schedule),
            weightings.build(weighting, denoiser.schedule),
            average,
        )
