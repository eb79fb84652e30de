"""Random changes of examples that leave their class and distribution as they are."""

import torch
from torch import Tensor

from genrl.diffusion.noise import Generators


def random_flips(images: Tensor, generators: Generators) -> Tensor:
    """Each image mirrored left to right with probability one half.

    Args:
        images: batch first, width last, of any type.
        generators: one for all, or one for each image; None mirrors nothing.

    Raises:
        ValueError: if the number of generators is not the number of images.
    """
    if generators is None:
        return images
    if isinstance(generators, torch.Generator):
        draws = torch.rand(len(images), generator=generators)
    elif len(generators) != len(images):
        raise ValueError(f"{len(generators)} generators were given for {len(images)} images")
    else:
        draws = torch.stack([torch.rand((), generator=generator) for generator in generators])
    is_flipped = (draws < 0.5).reshape(-1, *(1,) * (images.ndim - 1))
    return torch.where(is_flipped, images.flip(-1), images)
