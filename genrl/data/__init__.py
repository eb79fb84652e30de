"""Data sources and the loader that feeds training."""

from genrl.data.base import DataSource, ExampleBatch, ExampleSet, data_sources
from genrl.data.cifar10 import Cifar10Source
from genrl.data.digits import DigitsSource
from genrl.data.fashion_mnist import FashionMnistSource
from genrl.data.gaussian_mixture import GaussianMixtureSource
from genrl.data.image_file_set import ImageFileSet
from genrl.data.image_folder import ImageFolderSource
from genrl.data.loader import TrainLoader
from genrl.data.order import EpochOrder
from genrl.data.splits import stratified_split
from genrl.data.tensor_set import TensorSet

__all__ = [
    "Cifar10Source",
    "DataSource",
    "DigitsSource",
    "EpochOrder",
    "ExampleBatch",
    "ExampleSet",
    "FashionMnistSource",
    "GaussianMixtureSource",
    "ImageFileSet",
    "ImageFolderSource",
    "TensorSet",
    "TrainLoader",
    "data_sources",
    "stratified_split",
]
