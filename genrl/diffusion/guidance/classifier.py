"""Classifier guidance: along the gradient of a classifier of noisy data.

x = x_c + w (σ² / α) ∇_z log p(y | z),  ε = ε_c - w σ ∇_z log p(y | z)

With an exact classifier it equals classifier-free guidance, since ∇ log p(y | z) is the difference
of the conditional and the unconditional score. The classifier is trained on the run's own data at
all noise levels when it is first needed, and kept in the run's folder. Dhariwal & Nichol 2021,
algorithm 2, whose scale on the unconditional model is 1 + w.
"""

import torch
from torch import Tensor

from genrl.diffusion.denoiser import ConditionalDenoise
from genrl.diffusion.guidance.base import Guidance, guidances
from genrl.diffusion.guidance.branches import gradient
from genrl.diffusion.guidance.sources import ClassifierTraining, Sources
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.transitions import like_data
from genrl.typing import Batch, Data, Labels


@guidances.register("classifier")
class ClassifierGuidance(Guidance):
    """The conditional model and w times a classifier's gradient, which costs no evaluation of it.

    Args:
        sources: trains the classifier.
        updates: of the classifier's training.
        batch_size: of its training.
        learning_rate: its peak.
        seed: of its training.
    """

    evaluations = 1

    def __init__(
        self,
        num_classes: int,
        sources: Sources,
        *,
        updates: int = 2000,
        batch_size: int = 128,
        learning_rate: float = 1e-3,
        seed: int = 0,
    ) -> None:
        super().__init__(num_classes, sources)
        self.logits = sources.classifier(
            ClassifierTraining(updates, batch_size, learning_rate, seed)
        )

    def __call__(
        self, denoiser: ConditionalDenoise, z: Data, t: Batch, label: Labels | None, w: Batch
    ) -> Prediction:
        assert label is not None
        conditional = denoiser(z, t, label)
        level = conditional.level
        # The null class has no probability: such an example is left as it is.
        is_real = label < self.num_classes
        chosen = label.where(is_real, 0)[:, None]

        def log_probability(noisy: Data) -> Tensor:
            return torch.log_softmax(self.logits(noisy, level), dim=1).gather(1, chosen)

        slope = gradient(log_probability, z)
        weight = like_data(w.where(is_real, 0.0), z)
        return conditional.shifted(weight * level.sigma**2 / level.alpha * slope)
