"""A small convolutional classifier whose last hidden layer serves as a feature."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d


class ConvClassifier(nn.Module):
    """Pairs of 3x3 convolutions, each pair at half the resolution of the one before, then two
    layers.

    Args:
        channels: of the images.
        num_classes: at least 2.
        widths: channels of each pair of convolutions.
        embedding: size of the last hidden layer.
    """

    def __init__(
        self, channels: int, num_classes: int, widths: tuple[int, ...], embedding: int
    ) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        previous = channels
        for index, width in enumerate(widths):
            if index > 0:
                blocks.append(nn.MaxPool2d(2, ceil_mode=True))
            blocks += [_convolution(previous, width), _convolution(width, width)]
            previous = width
        # Quarters keep some of where things are, for images of any size.
        self.body = nn.Sequential(*blocks, Quarters(), nn.Flatten())
        self.hidden = nn.Sequential(nn.Linear(4 * previous, embedding), nn.SiLU())
        self.head = nn.Linear(embedding, num_classes)

    def forward(
        self, x: Float[Tensor, "batch channels height width"]
    ) -> tuple[Float[Tensor, "batch dims"], Float[Tensor, "batch classes"]]:
        """Last hidden layer and logits."""
        embedding = self.hidden(self.body(x))
        return embedding, self.head(embedding)


class Quarters(nn.Module):
    """The means of an image's 2 x 2 quarters, which overlap in the middle of an odd side.

    These are the cells of ``nn.AdaptiveAvgPool2d(2)``, whose gradient CUDA refuses to compute where
    a run is to be repeated bit for bit.
    """

    def forward(
        self, x: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels 2 2"]:
        """Height and width are at least 1; the two halves of 1 are the same."""
        height, width = (max(side, 2) for side in x.shape[2:])
        x = x.expand(-1, -1, height, width)
        return avg_pool2d(x, ((height + 1) // 2, (width + 1) // 2), (height // 2, width // 2))


def seeded_classifier(
    channels: int, num_classes: int, widths: tuple[int, ...], embedding: int, seed: int
) -> ConvClassifier:
    """A classifier whose initial weights depend on the seed alone; global random state is kept."""
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed: that would reseed the CUDA generators too.
        torch.default_generator.manual_seed(seed)
        return ConvClassifier(channels, num_classes, widths, embedding)


def _convolution(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )
