"""What a network of images asks of the data."""

from genrl.typing import DataSpec


def check_images(spec: DataSpec, network: str) -> None:
    """The data must be images.

    Args:
        spec: of the data.
        network: with its article, for the message.

    Raises:
        ValueError: if they are not of shape (channels, height, width).
    """
    if len(spec.shape) != 3:
        raise ValueError(
            f"{network} needs images (channels, height, width), not data of shape {spec.shape}; "
            "for vectors choose network=mlp"
        )


def check_resolutions(spec: DataSpec, network: str, parameter: str, count: int) -> None:
    """The data must be images that can be halved as often as the network does.

    Args:
        spec: of the data.
        network: with its article, for the message.
        parameter: that holds one entry for each resolution.
        count: of the resolutions.

    Raises:
        ValueError: if not.
    """
    check_images(spec, network)
    _, height, width = spec.shape
    divisor = 2 ** (count - 1)
    if height % divisor or width % divisor:
        raise ValueError(
            f"images of {height}x{width} cannot be halved {count - 1} times; "
            f"give fewer {parameter} or a size that is a multiple of {divisor}"
        )


def check_unet(
    spec: DataSpec,
    channels: int,
    channel_multipliers: tuple[int, ...],
    num_blocks: int,
    head_channels: int,
) -> None:
    """What every U-Net with multiples of one number of channels asks.

    Raises:
        ValueError: if the numbers make no network of this data.
    """
    if not channel_multipliers or min(channels, *channel_multipliers) < 1:
        raise ValueError(
            "a U-Net needs at least one resolution and one channel at each, not "
            f"channels={channels} with channel_multipliers={list(channel_multipliers)}"
        )
    if min(num_blocks, head_channels) < 1:
        raise ValueError(
            f"num_blocks and head_channels must be at least 1, not {num_blocks} and {head_channels}"
        )
    check_resolutions(spec, "a U-Net", "channel_multipliers", len(channel_multipliers))
