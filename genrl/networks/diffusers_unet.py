"""The U-Nets of the library diffusers behind the interface of genrl's networks.

The model itself is theirs, unchanged, with their names of weights: ``model``. Around it lie what
they leave to the caller: the step that belongs to a log-SNR, the table of classes with its null
class, the guidance weight (Meng et al. 2022) and the condition. Needs ``pip install
'genrl[diffusers]'``.

`UNet2DModel` gets class, guidance weight and condition as one vector that is added to its embedding
of time. `UNet2DConditionModel` gets class and condition as tokens for its cross-attention, and the
guidance weight where latent consistency models have it (Luo et al. 2023): before the first layer of
the time embedding.
"""

import importlib
import inspect
from typing import Any, Literal

import torch
from torch import Tensor, nn

from genrl.networks.base import Network, networks
from genrl.networks.blocks import zeroed
from genrl.networks.embeddings import SinusoidalEmbedding, check_condition
from genrl.networks.images import check_resolutions
from genrl.networks.timesteps import Timesteps
from genrl.registry import ConfigurationError, suggest
from genrl.typing import Batch, Condition, Data, DataSpec, Labels

GUIDANCE_FEATURES = 256


@networks.register("diffusers_unet")
class DiffusersUNet(Network):
    """A U-Net of diffusers, UNet2DModel or UNet2DConditionModel; its output starts at zero.

    Args:
        spec: images (channels, height, width).
        num_outputs: output channels for each channel of data.
        model: class of diffusers.
        channels: at each resolution, highest first; each further one halves height and width.
        layers_per_block: residual blocks at each resolution of the encoder.
        attention_resolutions: heights in pixels with attention after each residual block.
        head_channels: channels of an attention head.
        norm_groups: of the group normalizations; divides all channels.
        dropout: probability inside the residual blocks.
        log_snrs: log-SNR of the steps 0, 1, ... that the weights were trained with, falling; null
            for the angle of the cosine schedule in thousandths.
        config: further arguments of the class in diffusers (its ``config.json``), before those
            above; class embeddings are left to genrl.

    Raises:
        ConfigurationError: if diffusers is not installed or refuses its arguments.
        ValueError: if the data is no image or its size cannot be halved as often as asked.
    """

    model: nn.Module

    def __init__(
        self,
        spec: DataSpec,
        num_outputs: int = 1,
        *,
        model: Literal["UNet2DModel", "UNet2DConditionModel"] = "UNet2DModel",
        channels: tuple[int, ...] = (32, 64),
        layers_per_block: int = 2,
        attention_resolutions: tuple[int, ...] = (4,),
        head_channels: int = 32,
        norm_groups: int = 32,
        dropout: float = 0.0,
        log_snrs: tuple[float, ...] | None = None,
        config: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(spec, num_outputs)
        self.takes_tokens = model == "UNet2DConditionModel"
        own = {key: value for key, value in (config or {}).items() if not key.startswith("_")}
        widths = tuple(own.get("block_out_channels", channels))
        check_resolutions(spec, "a U-Net of diffusers", "channels", len(widths))
        has_attention = [
            spec.shape[1] >> depth in attention_resolutions for depth in range(len(widths))
        ]
        features = own.get("time_embedding_dim") or 4 * widths[0]
        arguments: dict[str, Any] = {
            "block_out_channels": widths,
            "layers_per_block": layers_per_block,
            "norm_num_groups": norm_groups,
            "dropout": dropout,
            **_blocks(has_attention, self.takes_tokens),
            **(
                {}
                if "attention_head_dim" in own
                else _heads(widths, head_channels, self.takes_tokens)
            ),
            **own,
            "sample_size": spec.shape[1] if spec.shape[1] == spec.shape[2] else spec.shape[1:],
            "in_channels": spec.shape[0],
            "out_channels": num_outputs * spec.shape[0],
            "class_embed_type": None if self.takes_tokens else "identity",
            "num_class_embeds": None,
        }
        if self.takes_tokens:
            guidance_size = own.get("time_cond_proj_dim") or GUIDANCE_FEATURES
            arguments["time_cond_proj_dim"] = guidance_size
            features = arguments.setdefault("cross_attention_dim", features)
        self.features = features
        self.timesteps = Timesteps(log_snrs)
        self.has_learned_steps = own.get("time_embedding_type") == "learned"
        theirs = _build(model, arguments)
        zeroed(theirs.conv_out)
        self.model = theirs
        self.label = nn.Embedding(spec.num_classes + 1, features) if spec.num_classes else None
        self.condition = nn.Linear(spec.condition_size, features) if spec.condition_size else None
        if self.takes_tokens:
            # Theirs fall from 1000 to 0.1.
            self.guidance_features = SinusoidalEmbedding(guidance_size, 1000.0, 0.1)
            zeroed(theirs.time_embedding.cond_proj)
        else:
            self.guidance_features = SinusoidalEmbedding(32, 0.05, 10.0)
            self.guidance = zeroed(nn.Linear(32, features, bias=False))

    def forward(
        self,
        z: Data,
        log_snr: Batch,
        label: Labels | None = None,
        w: Batch | None = None,
        condition: Condition | None = None,
    ) -> Data:
        """The raw output, (batch, num_outputs · channels, height, width)."""
        step, tokens = self.timesteps(log_snr), self._tokens(z, label, condition)
        guidance = None if w is None else self.guidance_features(w).to(z.dtype)
        if self.takes_tokens:
            more = {"encoder_hidden_states": tokens, "timestep_cond": guidance}
        else:
            vector = tokens.sum(dim=1)
            vector = vector if guidance is None else vector + self.guidance(guidance)
            more = {"class_labels": vector}
        if self.has_learned_steps:
            step = step.round().long()
        output: Data = self.model(z, step, **more, return_dict=False)[0]
        return output

    def _tokens(self, z: Data, label: Labels | None, condition: Condition | None) -> Tensor:
        """Class and condition, (batch, tokens, features); a zero where there is neither.

        Raises:
            ValueError: if a condition is missing, or given to a network that takes none.
        """
        check_condition(self.condition is not None, condition)
        tokens = []
        if self.label is not None:
            if label is None:
                label = torch.full((len(z),), self.spec.num_classes, device=z.device)
            tokens.append(self.label(label))
        if condition is not None and self.condition is not None:
            tokens.append(self.condition(condition.to(z.dtype)))
        if not tokens:
            tokens.append(z.new_zeros(len(z), self.features))
        return torch.stack(tokens, dim=1)


def _blocks(has_attention: list[bool], takes_tokens: bool) -> dict[str, Any]:
    """Names of the blocks at each resolution, down and up again."""
    kind = "CrossAttn" if takes_tokens else "Attn"
    names = [f"{kind if attends else ''}{{}}Block2D" for attends in has_attention]
    return {
        "down_block_types": tuple(name.format("Down") for name in names),
        "up_block_types": tuple(name.format("Up") for name in reversed(names)),
    }


def _heads(widths: tuple[int, ...], head_channels: int, takes_tokens: bool) -> dict[str, Any]:
    """``attention_head_dim``: of a UNet2DConditionModel it is the number of heads."""
    for width in widths:
        if head_channels < 1 or width % head_channels:
            raise ValueError(f"head_channels={head_channels} does not divide {width} channels")
    if takes_tokens:
        return {"attention_head_dim": tuple(width // head_channels for width in widths)}
    return {"attention_head_dim": head_channels}


def _build(name: str, arguments: dict[str, Any]) -> Any:
    """A model of diffusers.

    Raises:
        ConfigurationError: if the library is missing or knows no such argument.
    """
    try:
        # By name: a type checker need not have it.
        component: Any = getattr(importlib.import_module("diffusers"), name)
    except ImportError as error:
        raise ConfigurationError(
            "network=diffusers_unet needs the library diffusers: pip install 'genrl[diffusers]'"
        ) from error
    known = list(inspect.signature(component.__init__).parameters)[1:]
    for key in arguments:
        if key not in known:
            raise ConfigurationError(
                f"{name} of diffusers has no argument '{key}'.{suggest(key, known)}"
            )
    return component(**arguments)
