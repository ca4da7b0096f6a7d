"""Distances between scaled users and centroids; bitwise identical for every split of users into batches."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from amzseg_pipeline.steps.segments.features.scaling import Matrix

Indices = npt.NDArray[np.int64]

_CHUNK_USERS = 16_384
"""Users per chunk: their distances fit into the CPU cache. It does not change results."""


@dataclass(frozen=True)
class Nearest:
    """Per user the indices of the nearest and second-nearest centroid, and the squared distances to them.

    Ties go to the first centroid. With a single centroid, `second` is 0 and its distance NaN.
    """

    own: Indices
    second: Indices
    own_square: Matrix
    second_square: Matrix


def squared_distances(matrix: Matrix, centroids: Matrix) -> Matrix:
    """Users x centroids: the squared Euclidean distance, summed feature by feature in their order.

    A matrix product would be faster, but its rounding depends on the number of rows and on the BLAS library.
    """
    squares = np.zeros((len(matrix), len(centroids)), order="F")
    for i, centroid in enumerate(centroids):
        for j, coordinate in enumerate(centroid):
            gap = matrix[:, j] - coordinate
            squares[:, i] += gap * gap
    return squares


def nearest_centroids(matrix: Matrix, centroids: Matrix) -> Nearest:
    """The two centroids nearest to every row of `matrix`."""
    users = len(matrix)
    nearest = Nearest(np.zeros(users, np.int64), np.zeros(users, np.int64), np.zeros(users), np.full(users, np.nan))
    for start in range(0, users, _CHUNK_USERS):
        chunk = slice(start, start + _CHUNK_USERS)
        squares = squared_distances(matrix[chunk], centroids)
        row = np.arange(len(squares))
        nearest.own[chunk] = squares.argmin(axis=1)
        nearest.own_square[chunk] = squares[row, nearest.own[chunk]]
        if len(centroids) > 1:
            squares[row, nearest.own[chunk]] = np.inf
            nearest.second[chunk] = squares.argmin(axis=1)
            nearest.second_square[chunk] = squares[row, nearest.second[chunk]]
    return nearest
