"""Whether samples show the class that they were asked for, by the judgement of a classifier."""

from jaxtyping import Float
from torch import Tensor

from genrl.typing import Labels


def accuracy(logits: Float[Tensor, "batch classes"], label: Labels) -> float:
    """Fraction of examples whose largest logit is that of their label.

    Raises:
        ValueError: if there is not one label for each row of logits, or no row.
    """
    if logits.ndim != 2 or label.shape != logits.shape[:1] or len(label) == 0:
        raise ValueError(
            f"accuracy needs one label for each row of logits, not {tuple(label.shape)} labels "
            f"for logits of shape {tuple(logits.shape)}"
        )
    return (logits.argmax(dim=1) == label.to(logits.device)).double().mean().item()
