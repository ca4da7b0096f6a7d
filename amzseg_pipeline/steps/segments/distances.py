"""Distances between scaled users and centroids, bit for bit the same however users are split into batches."""

import numpy as np

from amzseg_pipeline.steps.segments.scaling import Matrix


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
