"""How often k is right: simulated users of a known number of types, and users without structure.

    python -m benchmarks.stability_k [--mixtures 100] [--near 40] [--structureless 60] [--users 1000] [--jobs 2]

Prints the rates of every rule as Markdown. The pipeline chooses k in 2..10 with fewer repetitions than by default;
`--full` uses the defaults, at about five times the cost.

Over 250 lines: one self-contained script.
"""

import argparse
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import Parallel, delayed

from amzseg_pipeline.contracts.model import FeatureScaling, KChoice, ScaledFeature
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.contracts.users import FEATURES
from amzseg_pipeline.steps.segments.model.choosing_k import k_choice

Points = npt.NDArray[np.float64]

RANGE = {"k_min": 2, "k_max": 10}
CHEAPER = {"n_init": 3, "prediction_splits": 10, "jaccard_bootstraps": 10}
MIN_TYPES, MAX_TYPES = 2, 6
MIN_FEATURES, MAX_FEATURES = 3, 6
MIN_SHARE = 0.06
WELL_SEPARATED, NEAR = 6.0, 4.0
"""Minimum distance between two centres, in standard deviations of the widest direction of any type."""

OURS = "the pipeline's choice"
RULES: dict[str, Callable[[KChoice], int | None]] = {
    OURS: lambda choice: choice.k,
    "knee of the inertia": lambda choice: choice.knee,
    "knee, if its silhouette is near the best": lambda choice: choice.knee_near_best_silhouette,
    "best silhouette": lambda choice: choice.best_silhouette,
    "best Calinski-Harabasz index": lambda choice: choice.best_calinski_harabasz,
    "best Davies-Bouldin index": lambda choice: choice.best_davies_bouldin,
    "largest of prediction strength >= 0.8": lambda choice: choice.largest_by_prediction_strength,
    "largest of Jaccard index >= 0.75": lambda choice: choice.largest_by_jaccard,
}


@dataclass(frozen=True)
class Mixture:
    """Users of `types` types."""

    types: int
    points: Points


@dataclass(frozen=True)
class Outcome:
    """One data set: its number of types (None without structure), the choice of k, and CPU seconds."""

    name: str
    types: int | None
    choice: KChoice
    seconds: float


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mixtures", type=int, default=100, help="data sets of well separated types")
    parser.add_argument("--near", type=int, default=40, help="data sets of types that touch")
    parser.add_argument("--structureless", type=int, default=60, help="data sets without types")
    parser.add_argument("--users", type=int, default=1_000, help="users in each")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--full", action="store_true", help="as many repetitions as by default")
    options = parser.parse_args()
    started = time.monotonic()
    settings = {} if options.full else CHEAPER
    given = {"users": options.users, "jobs": options.jobs, **settings}
    text = report(
        well=mixture_outcomes(range(options.mixtures), apart=WELL_SEPARATED, **given),
        near=mixture_outcomes(range(options.near), apart=NEAR, **given),
        without=structureless_outcomes(range(options.structureless), **given),
        how=f"{options.users:,} users a time, "
        + (", ".join(f"{name} = {value}" for name, value in settings.items()) or "default settings"),
    )
    print(f"{text}\n\n{time.monotonic() - started:.0f} s in all")


def mixture_outcomes(
    seeds: Iterable[int], *, users: int, apart: float = WELL_SEPARATED, jobs: int = 1, **settings: float
) -> list[Outcome]:
    """The choice on one mixture per seed."""

    def outcome(seed: int) -> Outcome:
        made = mixture(seed, users=users, apart=apart)
        return _outcome("mixture", made.types, made.points, settings)

    return list(Parallel(n_jobs=jobs)(delayed(outcome)(seed) for seed in seeds))


def structureless_outcomes(seeds: Iterable[int], *, users: int, jobs: int = 1, **settings: float) -> list[Outcome]:
    """The choice on one data set without structure per seed, each shape in turn."""

    def outcome(seed: int) -> Outcome:
        name = list(STRUCTURELESS)[seed % len(STRUCTURELESS)]
        return _outcome(name, None, STRUCTURELESS[name](seed, users=users), settings)

    return list(Parallel(n_jobs=jobs)(delayed(outcome)(seed) for seed in seeds))


def exact(outcomes: Sequence[Outcome], rule: str = OURS) -> float:
    """The share of data sets for which `rule` chooses the number of types."""
    return float(np.mean([RULES[rule](each.choice) == each.types for each in outcomes]))


def low_confidence_share(outcomes: Sequence[Outcome]) -> float:
    """The share of data sets with low confidence."""
    return float(np.mean([each.choice.confidence == "low" for each in outcomes]))


def report(*, well: Sequence[Outcome], near: Sequence[Outcome], without: Sequence[Outcome], how: str) -> str:
    """The section of docs/stability.md."""
    rules = [f"| {rule} | {_percent(exact(well, rule))} | {_percent(exact(near, rule))} |" for rule in RULES]
    sorts = {name: [each for each in without if each.name == name] for name in STRUCTURELESS}
    nothing = [
        f"| {name} | {len(each)} | {_percent(low_confidence_share(each))} |" for name, each in sorts.items() if each
    ]
    seconds = np.mean([each.seconds for each in (*well, *near, *without)])
    return "\n".join(
        [
            f"Measured by `python -m benchmarks.stability_k`: {how}; {MIN_TYPES} to {MAX_TYPES} types in "
            f"{MIN_FEATURES} to {MAX_FEATURES} features, the range set to {RANGE['k_min']} to {RANGE['k_max']}; "
            f"{seconds:.1f} CPU-s a choice, every rule's figures included. Kinds differ in size (the smallest has "
            f"{_percent(MIN_SHARE)} of users at least) and in covariance. Distances are those of the nearest "
            "centres, in standard deviations of the widest direction of any user_type.",
            "",
            "How often a rule says the number of types there are:",
            "",
            f"| rule | {WELL_SEPARATED:g} sd apart ({len(well)}) | {NEAR:g} sd apart ({len(near)}) |",
            "|---|---|---|",
            *rules,
            "",
            f"Low confidence: {_percent(low_confidence_share(well))} and "
            f"{_percent(low_confidence_share(near))} of these.",
            "",
            f"Low confidence without types, {_percent(low_confidence_share(without))} in all:",
            "",
            "| users | data sets | low confidence |",
            "|---|---|---|",
            *nothing,
        ]
    )


def mixture(seed: int, *, users: int, apart: float = WELL_SEPARATED) -> Mixture:
    """2 to 6 user types in 3 to 6 features, each normal with its own covariance.

    Standard deviations are between 0.5 and 1 along random axes. Any two centres are at least `apart` apart, many not
    much more. Every type has at least 6% of the users and at most ten times as many as the smallest.
    """
    rng = np.random.default_rng((seed, 1))
    types = int(rng.integers(MIN_TYPES, MAX_TYPES + 1))
    features = int(rng.integers(MIN_FEATURES, MAX_FEATURES + 1))
    centres, spread = np.zeros((1, features)), apart / 2
    while len(centres) < types:
        candidate = rng.normal(scale=spread, size=features)
        if np.linalg.norm(centres - candidate, axis=1).min() >= apart:
            centres = np.vstack([centres, candidate])
        spread *= 1.002
    shares = MIN_SHARE + (1 - MIN_SHARE * types) * rng.dirichlet(np.full(types, 3.0))
    turned = [np.linalg.qr(rng.normal(size=(features, features)))[0] * rng.uniform(0.5, 1, features) for _ in centres]
    user_type = rng.choice(types, users, p=shares)
    noise = rng.normal(size=(users, features))
    return Mixture(types, centres[user_type] + np.einsum("uij,uj->ui", np.stack(turned)[user_type], noise))


def normal(seed: int, *, users: int) -> Points:
    """One user_type, normal, features independent."""
    rng = np.random.default_rng((seed, 2))
    return rng.normal(size=(users, _features(rng)))


def uniform(seed: int, *, users: int) -> Points:
    """No user_type: evenly spread over a cube."""
    rng = np.random.default_rng((seed, 3))
    return rng.uniform(-1, 1, size=(users, _features(rng)))


def correlated(seed: int, *, users: int) -> Points:
    """One user_type, normal, two features correlated by 0.9 as reviews and engagement are."""
    rng = np.random.default_rng((seed, 4))
    points = rng.normal(size=(users, _features(rng)))
    points[:, -1] = 0.9 * points[:, 0] + np.sqrt(1 - 0.9**2) * points[:, -1]
    return points


def skewed(seed: int, *, users: int) -> Points:
    """One user_type, features log-normal with a long tail on one side (sd of the logarithm 0.5)."""
    rng = np.random.default_rng((seed, 5))
    return rng.lognormal(sigma=0.5, size=(users, _features(rng)))


def skewed_and_correlated(seed: int, *, users: int) -> Points:
    """The logarithms of two features are correlated by 0.9."""
    return np.exp(0.5 * correlated(seed, users=users))


def ball(seed: int, *, users: int) -> Points:
    """No user_type: evenly spread over a ball."""
    rng = np.random.default_rng((seed, 6))
    points = rng.normal(size=(users, _features(rng)))
    radius = rng.uniform(size=(users, 1)) ** (1 / points.shape[1])
    return radius * points / np.linalg.norm(points, axis=1, keepdims=True)


STRUCTURELESS: dict[str, Callable[..., Points]] = {
    "normal": normal,
    "uniform in a cube": uniform,
    "uniform in a ball": ball,
    "normal, two features correlated by 0.9": correlated,
    "log-normal": skewed,
    "log-normal, two features correlated by 0.9": skewed_and_correlated,
}


def choice(points: Points, *, jobs: int = 1, **settings: float) -> KChoice:
    """What the pipeline chooses on `points`, standardised, with the range set to 2..10."""
    standard = (points - points.mean(axis=0)) / points.std(axis=0)
    # The features need names, and names of segments need discounts: there would be fewer than ten without.
    names = ("avg_discount", *(name for name in FEATURES if name != "avg_discount"), "recent_engagement")
    names = names[: points.shape[1]]
    users = [f"{i:06d}" for i in range(len(points))]
    keys = pd.DataFrame({"user_id": users, "user_hash": range(len(points)), "stratum": "1"})
    scaled = keys.assign(**{name: standard[:, i] for i, name in enumerate(names)})
    features = tuple(ScaledFeature(name, "identity", 0.0, None, None, None, 0.0, 1.0) for name in names)
    scaling = FeatureScaling("none", features, dropped=(), warnings=(), users=len(points))
    return k_choice(scaled, scaling, Settings(**{**RANGE, **settings}), jobs=jobs)


def _features(rng: np.random.Generator) -> int:
    return int(rng.integers(MIN_FEATURES, MAX_FEATURES + 1))


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%"


def _outcome(name: str, types: int | None, points: Points, settings: Mapping[str, float]) -> Outcome:
    started = time.process_time()
    chosen = choice(points, **settings)
    return Outcome(name, types, chosen, time.process_time() - started)


if __name__ == "__main__":
    main()
