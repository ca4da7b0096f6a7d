"""Distances between scaled users and centroids, bit for bit the same however users are split into batches."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from amzseg_pipeline.steps.segments.features.scaling import Matrix

Indices = npt.NDArray[np.int64]

_CHUNK_USERS = 16_384
"""The distances of this many users stay in the processor's cache; it bounds memory and changes no number."""


@dataclass(frozen=True)
class Nearest:
    """Per user the places of the nearest and the second-nearest centroid, and the squared distances to them.

    Of equally near centroids the first is nearest. With one centroid it is second, too, at a distance of NaN.
    """

    own: Indices
    second: Indices
    own_square: Matrix
    second_square: Matrix


def squared_distances(matrix: Matrix, centroids: Matrix) -> Matrix:
    """Users x centroids: the squared Euclidean distance, summed feature by feature in their order.

    A matrix product is faster, but its rounding depends on the number of rows and on the machine's BLAS.
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
    found = Nearest(np.zeros(users, np.int64), np.zeros(users, np.int64), np.zeros(users), np.full(users, np.nan))
    for start in range(0, users, _CHUNK_USERS):
        chunk = slice(start, start + _CHUNK_USERS)
        squares = squared_distances(matrix[chunk], centroids)
        row = np.arange(len(squares))
        found.own[chunk] = squares.argmin(axis=1)
        found.own_square[chunk] = squares[row, found.own[chunk]]
        if len(centroids) > 1:
            squares[row, found.own[chunk]] = np.inf
            found.second[chunk] = squares.argmin(axis=1)
            found.second_square[chunk] = squares[row, found.second[chunk]]
    return found
