"""``network=diffusers_unet`` as a plain UNet2DModel of diffusers.

What genrl adds to the network becomes tables of that network: the embedding of each step's log-SNR,
and for each guidance weight w_i and label the sum of both embeddings, in the row

    class_labels = i · (num_classes + 1) + label
"""

import importlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from genrl.diffusion import Denoiser, NoiseLevel
from genrl.diffusion.parameterizations import parameterizations
from genrl.networks import DiffusersUNet, Network
from genrl.tasks.diffusers_teacher import PARAMETERIZATIONS


def plain_prediction_type(denoiser: Denoiser, level: NoiseLevel) -> str | None:
    """Diffusers' name of what the network predicts, or None where theirs cannot be written.

    It can for a UNet2DModel with ε, v or x on a schedule that preserves variance.
    """
    network = denoiser.network
    norm = level.alpha.square() + level.sigma.square()
    if not isinstance(network, DiffusersUNet) or network.takes_tokens:
        return None
    if not torch.allclose(norm, torch.ones_like(norm)):
        return None
    known = {ours: theirs for theirs, ours in PARAMETERIZATIONS.items()}
    return known.get(parameterizations.name_of(type(denoiser.parameterization)))


@torch.no_grad()
def plain_unet(network: Network, log_snrs: Tensor, weights: Sequence[float]) -> Any:
    """The network with everything that genrl adds to it in its own tables.

    Args:
        network: a `DiffusersUNet` around a UNet2DModel.
        log_snrs: of the steps 0, 1, ....
        weights: w_i, none for a network that takes no w.
    """
    assert isinstance(network, DiffusersUNet)
    theirs: Any = network.model
    state = dict(theirs.state_dict())
    steps = network.timesteps(log_snrs)
    if network.has_learned_steps:
        steps = steps.round().long()
    state["time_proj.weight"] = theirs.time_proj(steps).float()
    config = {
        **{key: value for key, value in theirs.config.items() if not key.startswith("_")},
        "time_embedding_type": "learned",
        "num_train_timesteps": len(log_snrs),
        "class_embed_type": None,
    }
    if network.label is not None:
        rows = network.label.weight
        if weights:
            guidance = network.guidance(network.guidance_features(torch.tensor(weights)))
            rows = (guidance[:, None] + rows).flatten(0, 1)
        state["class_embedding.weight"] = rows
        config["num_class_embeds"] = len(rows)
    unet = importlib.import_module("diffusers").UNet2DModel(**config)
    unet.load_state_dict(state)
    return unet.eval()
