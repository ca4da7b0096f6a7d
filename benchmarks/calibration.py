"""How often the number of segments is right, and what its confidence means: simulated users with and without types.

    python -m benchmarks.calibration [--only GROUP ...] [--sets 40] [--first 0] [--users 1000]

Prints for every group of data sets how often k is exact, and how often it is right where confidence is high, medium or
low, then the choice of other rules. k is chosen from 2 to 8 with fewer repetitions than by default.

Over 250 lines: the generators of all groups of users.
"""

import argparse
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pandas as pd

from amzseg_pipeline.contracts.model import FeatureScaling, KChoice, ScaledFeature
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.contracts.users import FEATURES
from amzseg_pipeline.steps.segments import feature_scaling, scaled_features, shrinkages
from amzseg_pipeline.steps.segments.clusters.k_evidence import scaled_points
from amzseg_pipeline.steps.segments.clusters.kmeans import clusters
from amzseg_pipeline.steps.segments.model.choosing_k import k_choice
from benchmarks.scenarios import Customers, CustomerType

Points = npt.NDArray[np.float64]

SETTINGS = Settings(k_min=2, k_max=8, n_init=2, prediction_splits=6, jaccard_bootstraps=5)
MIN_SHARE = 0.06
RECOVERED = 0.9
"""Types count as recoverable if KMeans with the true k agrees with them by this adjusted Rand index."""

RULES: dict[str, Callable[[KChoice], int | None]] = {
    "the pipeline": lambda choice: choice.k,
    "knee of the inertia": lambda choice: choice.knee,
    "best silhouette": lambda choice: choice.best_silhouette,
    "best Calinski-Harabasz index": lambda choice: choice.best_calinski_harabasz,
    "best Davies-Bouldin index": lambda choice: choice.best_davies_bouldin,
    "largest of prediction strength >= 0.7": lambda choice: choice.largest_by_prediction_strength,
    "largest of Jaccard index >= 0.75": lambda choice: choice.largest_by_jaccard,
}


@dataclass(frozen=True)
class DataSet:
    """Scaled users (contracts.SCALED_FEATURES) and their true types; `labels` is None without types.

    `identical_together` is that of k_choice: users of one product are copies of each other.
    """

    scaled: pd.DataFrame
    scaling: FeatureScaling
    labels: npt.NDArray[np.int64] | None
    identical_together: bool = False


@dataclass(frozen=True)
class Outcome:
    """The choice on one data set; `types` is None without types, `agreement` that of KMeans with the true k."""

    types: int | None
    agreement: float
    choice: KChoice
    seconds: float

    @property
    def is_right(self) -> bool:
        """Whether k is the number of types."""
        return self.choice.k == self.types


def outcomes(group: str, seeds: Iterable[int], *, users: int = 1_000, settings: Settings = SETTINGS) -> list[Outcome]:
    """The choice on one data set of the group per seed."""
    return [_outcome(GROUPS[group](seed, users), settings) for seed in seeds]


def _outcome(data: DataSet, settings: Settings) -> Outcome:
    from sklearn.metrics import adjusted_rand_score

    started = time.process_time()
    choice = k_choice(data.scaled, data.scaling, settings, jobs=1, identical_together=data.identical_together)
    seconds = time.process_time() - started
    if data.labels is None:
        return Outcome(None, 0.0, choice, seconds)
    types = int(data.labels.max()) + 1
    found = clusters(scaled_points(data.scaled, data.scaling), types, seed=1, n_init=5)
    return Outcome(types, float(adjusted_rand_score(data.labels, found.labels)), choice, seconds)


def mixture(seed: int, users: int, *, apart: float) -> DataSet:
    """2 to 6 normal types in 3 to 5 features.

    Standard deviations are between 0.5 and 1 along random axes. Any two centres are at least `apart` apart, many not
    much more. Every type has at least 6% of the users.
    """
    rng = np.random.default_rng((seed, 1))
    types, features = int(rng.integers(2, 7)), int(rng.integers(3, 6))
    centres, spread = np.zeros((1, features)), apart / 2
    while len(centres) < types:
        candidate = rng.normal(scale=spread, size=features)
        if np.linalg.norm(centres - candidate, axis=1).min() >= apart:
            centres = np.vstack([centres, candidate])
        spread *= 1.002
    turned = [np.linalg.qr(rng.normal(size=(features, features)))[0] * rng.uniform(0.5, 1, features) for _ in centres]
    labels = rng.choice(types, users, p=_shares(rng, types))
    noise = rng.normal(size=(users, features))
    return points_as_users(centres[labels] + np.einsum("uij,uj->ui", np.stack(turned)[labels], noise), labels)


def review_types(seed: int, users: int) -> DataSet:
    """2 to 7 types of customers who write reviews, through shrinkage and scaling.

    Types are at least 4 sd apart, in standard deviations of the values of single customers of one review.
    """
    rng = np.random.default_rng((seed, 2))
    types = int(rng.integers(2, 8))
    positions: list[tuple[float, ...]] = []
    while len(positions) < types:
        candidate = (
            float(np.exp(rng.uniform(np.log(0.05), np.log(12)))),
            rng.uniform(5, 75),
            rng.uniform(4, 9),
            rng.uniform(3, 4.8),
        )
        if all(_distance(candidate, other) >= 4 for other in positions):
            positions.append(candidate)
    kinds = [
        CustomerType(str(i), first, 0.0, discount, price, rating)
        for i, (first, discount, price, rating) in enumerate(positions)
    ]
    return _customers(kinds, dict(zip(map(str, range(types)), _shares(rng, types), strict=True)), users, seed=seed)


def _distance(a: Sequence[float], b: Sequence[float]) -> float:
    counts = np.log2(1 + a[0]) - np.log2(1 + b[0])
    return float(np.hypot.reduce([counts, (a[1] - b[1]) / 8.5, (a[2] - b[2]) / 0.42, (a[3] - b[3]) / 0.55]))


def one_type(seed: int, users: int) -> DataSet:
    """Customers of one type; most have one review, as in amazon.csv, or Zipf counts, in turn."""
    rng = np.random.default_rng((seed, 3))
    kind = CustomerType("only", [0.02, 0.05, 0.3, 3.0][seed % 4], 0.0, rng.uniform(20, 60), 7.0, rng.uniform(3.5, 4.5))
    return _customers([kind], {"only": 1.0}, users, seed=seed, zipf=seed % 4 == 2)


def products(seed: int, users: int) -> DataSet:
    """Customers whose only values are those of one of 150 products; 2% have two reviews. No types."""
    rng = np.random.default_rng((seed, 4))
    chosen = rng.integers(0, 150, (users, 2))
    discount, price = rng.uniform(0, 90, 150)[chosen], rng.lognormal(7, 1.2, 150)[chosen]
    rating = np.clip(rng.normal(4.1, 0.3, 150).round(1), 1, 5)[chosen]
    count = 1 + (rng.random(users) < 0.02)
    means = [np.where(count == 2, values.mean(axis=1), values[:, 0]) for values in (rating, discount, price)]
    from amzseg_pipeline_tests.steps.segments.users import users_of

    return replace(_scaled(users_of(list(zip(count, *means, strict=True))), None), identical_together=True)


def shaped(seed: int, users: int) -> DataSet:
    """Points without types: normal, uniform or log-normal, with or without two features correlated by 0.9."""
    rng = np.random.default_rng((seed, 5))
    features = int(rng.integers(3, 6))
    points = rng.normal(size=(users, features))
    if seed % 2:
        points[:, -1] = 0.9 * points[:, 0] + np.sqrt(1 - 0.9**2) * points[:, -1]
    if seed % 3 == 1:
        points = np.exp(0.5 * points)
    elif seed % 3 == 2:
        points = rng.uniform(-1, 1, size=(users, features))
    return points_as_users(points, None)


GROUPS: dict[str, Callable[[int, int], DataSet]] = {
    "mixtures 6 sd apart": lambda seed, users: mixture(seed, users, apart=6),
    "mixtures 4 sd apart": lambda seed, users: mixture(seed, users, apart=4),
    "mixtures 3 sd apart": lambda seed, users: mixture(seed, users, apart=3),
    "types who write reviews": review_types,
    "one type who writes reviews": one_type,
    "copies of products": products,
    "points without types": shaped,
}


def points_as_users(points: Points, labels: npt.NDArray[np.int64] | None) -> DataSet:
    """Standardised points as users of these features."""
    standard = (points - points.mean(axis=0)) / points.std(axis=0)
    names = ("avg_discount", *(name for name in FEATURES if name != "avg_discount"))[: points.shape[1]]
    ids = [f"{i:06d}" for i in range(len(points))]
    keys = pd.DataFrame({"user_id": ids, "user_hash": range(len(points)), "stratum": "1"})
    features = tuple(ScaledFeature(name, "identity", 0.0, None, None, None, 0.0, 1.0) for name in names)
    scaled = keys.assign(**{name: standard[:, i] for i, name in enumerate(names)})
    return DataSet(scaled, FeatureScaling("none", features, dropped=(), warnings=(), users=len(points)), labels)


def _customers(
    kinds: Sequence[CustomerType], shares: dict[str, float], users: int, *, seed: int, zipf: bool = False
) -> DataSet:
    customers = Customers(kinds, seed=seed)
    customers.join(shares, users)
    if zipf:
        customers.write(np.repeat(np.arange(users), np.minimum(customers.rng.zipf(2.2, users) - 1, 200)))
    return _scaled(customers.user_features(), customers.types if len(kinds) > 1 else None)


def _scaled(users: pd.DataFrame, labels: npt.NDArray[np.int64] | None) -> DataSet:
    scaling = feature_scaling(users, transform="log", shrinkages=shrinkages(nw.from_native(users).lazy()))
    return DataSet(scaled_features(users, scaling), scaling, labels)


def _shares(rng: np.random.Generator, types: int) -> Points:
    return np.asarray(MIN_SHARE + (1 - MIN_SHARE * types) * rng.dirichlet(np.full(types, 3.0)))


def row(group: str, found: Sequence[Outcome]) -> str:
    """The row of a group: how often k is exact, confidence, and how often k is right at each confidence."""
    cells = [str(len(found)), _share(found, lambda each: each.is_right)]
    recovered = [each for each in found if each.agreement >= RECOVERED]
    cells.append(f"{_share(recovered, lambda each: each.is_right)} ({len(recovered)})")
    for level in ("high", "medium", "low"):
        those = [each for each in found if each.choice.confidence == level]
        cells.append(f"{len(those)}, right {_share(those, lambda each: each.is_right)}")
    return f"| {group} | {' | '.join(cells)} |"


def _share(found: Sequence[Outcome], holds: Callable[[Outcome], bool]) -> str:
    return f"{np.mean([holds(each) for each in found]):.0%}" if found else "-"


def main() -> None:
    """Prints both tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", help="words in the names of the groups")
    parser.add_argument("--sets", type=int, default=40, help="data sets per group")
    parser.add_argument("--first", type=int, default=0, help="seed of the first data set")
    parser.add_argument("--users", type=int, default=1_000)
    options = parser.parse_args()
    chosen = [group for group in GROUPS if not options.only or any(word in group for word in options.only)]
    print(
        "| data sets | sets | k exact | of these recoverable | high | medium | low |\n|---|---:|---:|---:|---|---|---|"
    )
    found = {}
    for group in chosen:
        found[group] = outcomes(group, range(options.first, options.first + options.sets), users=options.users)
        print(row(group, found[group]), flush=True)
    with_types = {group: each for group, each in found.items() if each and each[0].types is not None}
    print(f"\n| rule | {' | '.join(with_types)} |\n|---|{'---:|' * len(with_types)}")
    for name, rule in RULES.items():
        shares = [
            f"{np.mean([rule(each.choice) == each.types for each in group]):.0%}" for group in with_types.values()
        ]
        print(f"| {name} | {' | '.join(shares)} |")
    print(f"\n{np.mean([each.seconds for group in found.values() for each in group]):.1f} CPU-s per choice")


if __name__ == "__main__":
    main()
