"""How far two generators are from one another when both start from the same noise."""

from genrl.typing import Data


def paired_rmse(a: Data, b: Data) -> float:
    """Root of the mean squared difference over all examples and pixels, in units of the data
    (images span 2).

    Raises:
        ValueError: if the two are not the same number of examples of one shape.
    """
    if a.shape != b.shape or a.numel() == 0:
        raise ValueError(
            "pairs need two equal shapes with something in them, "
            f"not {tuple(a.shape)} and {tuple(b.shape)}"
        )
    return (a.double() - b.double()).square().mean().sqrt().item()
