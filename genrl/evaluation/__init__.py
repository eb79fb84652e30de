"""Metrics of samples, free of Lightning: pure functions on features and images."""

from genrl.evaluation.accuracy import accuracy
from genrl.evaluation.frechet import (
    FeatureStatistics,
    feature_statistics,
    frechet_distance,
    frechet_from_statistics,
)
from genrl.evaluation.grid import sample_grid, save_image, scatter_grid
from genrl.evaluation.nearest import Neighbours, nearest_neighbours
from genrl.evaluation.paired_rmse import paired_rmse
from genrl.evaluation.precision_recall import PrecisionRecall, precision_recall

__all__ = [
    "FeatureStatistics",
    "Neighbours",
    "PrecisionRecall",
    "accuracy",
    "feature_statistics",
    "frechet_distance",
    "frechet_from_statistics",
    "nearest_neighbours",
    "paired_rmse",
    "precision_recall",
    "sample_grid",
    "save_image",
    "scatter_grid",
]
