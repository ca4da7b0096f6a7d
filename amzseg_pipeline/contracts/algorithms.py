"""Comparison of clustering algorithms on the same users. Only KMeans is published."""

from amzseg_pipeline.contracts.schema import Column, Table

ALGORITHM_COMPARISON = Table(
    "algorithm_comparison",
    "One row per algorithm: its clusters of a bounded sample of users, and their stability on subsamples.",
    (
        Column("algorithm", "string", "scikit-learn class"),
        Column("parameters", "string", "its parameters that are not the default"),
        Column("users", "int64", "users of the sample", unit="users", minimum=0),
        Column("clusters", "int64", "clusters without noise; null if it failed", nullable=True, minimum=0),
        Column("sizes", "string", "users per cluster, the largest first, joined by /", nullable=True),
        Column("noise_share", "float64", "share of users in no cluster", nullable=True, minimum=0, maximum=1),
        Column("silhouette", "float64", "mean silhouette of users in clusters", nullable=True, minimum=-1, maximum=1),
        Column(
            "adjusted_rand_subsamples",
            "float64",
            "adjusted Rand index with the clusters of 80% of the users, mean over subsamples; noise is one cluster",
            nullable=True,
            minimum=-1,
            maximum=1,
        ),
        Column(
            "adjusted_rand_champion",
            "float64",
            "adjusted Rand index with the published segments",
            nullable=True,
            minimum=-1,
            maximum=1,
        ),
        Column("seconds", "float64", "seconds of one fit, on one thread", unit="s", nullable=True, minimum=0),
        Column("failure", "string", "why the algorithm failed", nullable=True),
    ),
    key=("algorithm",),
)
