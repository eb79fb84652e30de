"""Fashion-MNIST: 70,000 grey images of clothes in ten classes (Xiao, Rasul & Vollgraf 2017)."""

from genrl.data.base import DataSource, data_sources
from genrl.data.downloads import open_dataset
from genrl.data.tensor_set import TensorSet
from genrl.typing import DataSpec


@data_sources.register("fashion_mnist")
class FashionMnistSource(DataSource):
    """Fashion-MNIST: 70,000 clothes of 1x28x28, ten classes (a download of 30 MB).

    Args:
        root: folder that holds ``FashionMNIST/raw``, or that it is downloaded to.
        download: whether missing files are downloaded.
        flip: whether training images are mirrored left to right at random; shoes all point to one
            side.
    """

    default_feature = "classifier"
    spec = DataSpec((1, 28, 28), 10, num_levels=256)
    class_names = (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    )

    def __init__(self, *, root: str = "data", download: bool = True, flip: bool = False) -> None:
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
            from torchvision.datasets import FashionMNIST

            files = open_dataset(
                FashionMNIST,
                self.root,
                is_train=is_train,
                download=self.download,
                title="Fashion-MNIST",
            )
            self._sets[is_train] = TensorSet(
                files.data.unsqueeze(1), files.targets, flip=self.flip and is_train
            )
        return self._sets[is_train]
