"""How other algorithms would have grouped the same users. A comparison: KMeans is what publishes."""

from amzseg_pipeline.contracts.schema import Column, Table

ALGORITHM_COMPARISON = Table(
    "algorithm_comparison",
    "One row per algorithm: the clusters it finds among a bounded sample of users, and how well they come out again.",
    (
        Column("algorithm", "string", "algorithm of scikit-learn"),
        Column("parameters", "string", "its parameters that are not the default"),
        Column("users", "int64", "users of the sample, those of smallest hash", unit="users", minimum=0),
        Column("clusters", "int64", "clusters found, noise apart; null where it failed", nullable=True, minimum=0),
        Column("sizes", "string", "users per cluster, the largest first, joined by /", nullable=True),
        Column("noise_share", "float64", "part of users in no cluster", nullable=True, minimum=0, maximum=1),
        Column("silhouette", "float64", "mean silhouette of users in clusters", nullable=True, minimum=-1, maximum=1),
        Column(
            "adjusted_rand_subsamples",
            "float64",
            "adjusted Rand index with the clusters of 80 % of the users, mean over subsamples; noise is one group",
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
        Column("failure", "string", "why there is no clustering", nullable=True),
    ),
    key=("algorithm",),
)
