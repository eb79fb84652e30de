"""CIFAR-10: 60,000 colour photographs of 32x32 pixels in ten classes (Krizhevsky 2009)."""

import torch

from genrl.data.base import DataSource, data_sources
from genrl.data.downloads import open_dataset
from genrl.data.tensor_set import TensorSet
from genrl.typing import DataSpec


@data_sources.register("cifar10")
class Cifar10Source(DataSource):
    """CIFAR-10: 60,000 photographs of 3x32x32, ten classes (a download of 170 MB).

    Args:
        root: folder that holds ``cifar-10-batches-py``, or that it is downloaded to.
        download: whether missing files are downloaded.
        flip: whether training images are mirrored left to right at random.
    """

    default_feature = "classifier"
    spec = DataSpec((3, 32, 32), 10, num_levels=256)
    class_names = (
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    )

    def __init__(self, *, root: str = "data", download: bool = True, flip: bool = True) -> None:
        self.root = root
        self.download = download
        self.flip = flip
        self._sets: dict[bool, TensorSet] = {}

    def train(self) -> TensorSet:
        return self._set(is_train=True)

    def held_out(self) -> TensorSet:
        return self._set(is_train=False)

    def _set(self, *, is_train: bool) -> TensorSet:
        if is_train not in self._sets:
            from torchvision.datasets import CIFAR10

            files = open_dataset(
                CIFAR10, self.root, is_train=is_train, download=self.download, title="CIFAR-10"
            )
            images = torch.from_numpy(files.data).permute(0, 3, 1, 2).contiguous()
            labels = torch.tensor(files.targets)
            self._sets[is_train] = TensorSet(images, labels, flip=self.flip and is_train)
        return self._sets[is_train]
