"""Segments while customers change: agreement with the true types, promotions and names over simulated runs.

    python -m benchmarks.stability_scenarios [--users 1200] [--runs 30] [--scenario NAME]

Users are made of single reviews of known types. In each scenario the users change between run 4 and run 16; every run
measures drift, trains a challenger if one is due, decides about it, scores all users and checks the names, as the
pipeline does. Only steps/ is run. Prints one Markdown row per scenario.
"""

import argparse
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import narwhals as nw
import numpy as np
import pandas as pd

from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.contracts.promotion import Challenger, PromotionState
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps import segments
from amzseg_pipeline.steps.segments.lifecycle.challenger import PREVIOUS_SEGMENT
from amzseg_pipeline.steps.segments.lifecycle.migrations import segments_of

FIRST_CHANGE, LAST_CHANGE = 4, 16
START = datetime(2026, 1, 1, 2, tzinfo=UTC)
SETTINGS = {"n_init": 5, "prediction_splits": 8, "jaccard_bootstraps": 8, "lineage_users": 100}


@dataclass(frozen=True)
class UserType:
    """How users of a type behave: mean number of reviews, rating, discount (percent) and ln(price)."""

    reviews: float
    rating: float
    discount: float
    log_price: float


LOYAL = UserType(14, 4.5, 20, 7.0)
DEALS = UserType(2, 3.9, 65, 5.5)
CASUAL = UserType(2, 4.3, 10, 7.0)
CRITICS = UserType(3, 2.0, 60, 7.8)
BIG = UserType(2, 4.3, 10, 9.5)


def users_of_types(
    types: list[UserType], labels: np.ndarray, *, seed: int, counts: np.ndarray | None = None
) -> pd.DataFrame:
    """contracts.USER_FEATURES (what segments need of it) of one user per label, made of single reviews.

    `counts` are the reviews of each user; by default 1 + Poisson with the mean of the type.
    """
    rng = np.random.default_rng(seed)
    mean_reviews = np.array([each.reviews for each in types])[labels]
    counts = 1 + rng.poisson(mean_reviews - 1) if counts is None else counts
    user = np.repeat(np.arange(len(labels)), counts)
    of = labels[user]
    rating = np.clip(rng.normal(np.array([t.rating for t in types])[of], 0.7), 1, 5).round()
    discount = np.clip(rng.normal(np.array([t.discount for t in types])[of], 10), 0, 99)
    price = rng.lognormal(np.array([t.log_price for t in types])[of], 0.5)
    thousandths = (np.log1p(price) * 1000).round()
    n = counts.astype(float)
    sums = {
        "rating_tenths_sum": np.bincount(user, rating * 10),
        "rating_square_sum": np.bincount(user, (rating * 10) ** 2),
        "discount_bp_sum": np.bincount(user, (discount * 100).round()),
        "discount_square_sum": np.bincount(user, (discount * 100).round() ** 2),
        "log_paid_sum": np.bincount(user, thousandths),
        "log_paid_square_sum": np.bincount(user, thousandths**2),
    }
    frame = pd.DataFrame(
        {
            "user_id": [f"user {i:06d}" for i in range(len(labels))],
            "total_reviews": counts,
            "avg_rating": np.bincount(user, rating) / n,
            "avg_discount": np.bincount(user, discount) / n,
            "avg_spend": np.bincount(user, price) / n,
            "rated_reviews": counts,
            "discounted_reviews": counts,
            "priced_reviews": counts,
            **{name: values.astype(np.int64) for name, values in sums.items()},
        }
    )
    hashes = [int(hashlib.md5(user.encode()).hexdigest()[:8], 16) for user in frame["user_id"]]
    return frame.assign(user_hash=hashes, engagement_score=frame["total_reviews"] * frame["avg_rating"])


@dataclass(frozen=True)
class Scenario:
    """`types` of users; `shares(progress)` gives the share of each type for progress 0 to 1 of the change."""

    types: list[UserType]
    shares: Callable[[float], list[float]]


SCENARIOS = {
    "steady": Scenario([LOYAL, DEALS, CASUAL], lambda _: [0.2, 0.45, 0.35]),
    "a new type grows to 23%": Scenario(
        [LOYAL, DEALS, CASUAL, CRITICS],
        lambda p: [0.2 * (1 - 0.23 * p), 0.45 * (1 - 0.23 * p), 0.35 * (1 - 0.23 * p), 0.23 * p],
    ),
    "a segment splits": Scenario([LOYAL, DEALS, CASUAL, BIG], lambda p: [0.2, 0.4, 0.4 - 0.2 * p, 0.2 * p]),
    "two segments become one": Scenario(
        [LOYAL, DEALS, CASUAL, BIG], lambda p: [0.2, 0.3, 0.25 + 0.25 * p, 0.25 - 0.25 * p]
    ),
    "the loyal users leave": Scenario(
        [LOYAL, DEALS, CASUAL, CRITICS], lambda p: [0.2 - 0.2 * p, 0.3, 0.3 + 0.1 * p, 0.2 + 0.1 * p]
    ),
}


@dataclass(frozen=True)
class Run:
    """One run: agreement with the true types, decision, names, and share of unchanged users who moved."""

    number: int
    agreement: float
    decision: str
    reason: str
    names: dict[str, str]
    moved_share: float
    confidence: str


def simulated_runs(scenario: Scenario, *, users: int, runs: int, seed: int = 1, **settings: object) -> list[Run]:
    """The runs of a scenario. A user changes type once at most, and has the same features until then."""
    from sklearn.metrics import adjusted_rand_score

    used = Settings(**{**SETTINGS, **settings})
    order = np.random.default_rng(seed).permutation(users)
    tables = {
        i: users_of_types(scenario.types, np.full(users, i, dtype=np.int64), seed=100 * seed + i)
        for i in range(len(scenario.types))
    }
    champion: Model | None = None
    state, done = PromotionState(), []
    before: pd.Series | None = None
    labels_before: np.ndarray | None = None
    for number in range(1, runs + 1):
        progress = min(max((number - FIRST_CHANGE) / (LAST_CHANGE - FIRST_CHANGE), 0.0), 1.0)
        labels = _labels(scenario, order, progress, labels_before)
        frame = pd.concat([tables[i][labels == i] for i in tables]).sort_values("user_id", ignore_index=True)
        now = START + timedelta(days=number - 1)
        drift = segments.drift(frame, champion, used) if champion else segments.no_drift(users)
        scaling = segments.feature_scaling(
            frame, transform=used.transform, shrinkages=segments.shrinkages(nw.from_native(frame).lazy())
        )
        due, reason = segments.training_reason(champion, state, drift, used, now=now, forced=False)
        trained = Challenger(reason, None, "", None)
        if due:
            sample = frame.assign(**{PREVIOUS_SEGMENT: before}) if before is not None else frame
            scaled = segments.scaled_features(frame, scaling)
            trained = segments.challenger(
                scaled,
                sample,
                scaling,
                used,
                champion=champion,
                drift=drift,
                reason=reason,
                trained_at=now.isoformat(),
                jobs=1,
            )
        report = segments.promotion_report(champion, trained, drift, state, used, now=now)
        model = segments.serving_model(report, trained, champion, state)
        model = segments.with_member_names(model, frame, rating_meaning="user")
        state = segments.promotion_state_after(state, report, trained, used, drift=drift, now=now)
        after = pd.Series(segments_of(frame, model))
        unchanged = np.ones(users, bool) if labels_before is None else labels == labels_before
        moved = 0.0 if before is None else float(((after != before).to_numpy() & unchanged).sum() / unchanged.sum())
        done.append(
            Run(
                number=number,
                agreement=float(adjusted_rand_score(labels, after)),
                decision=report.decision,
                reason=report.reason,
                names={s.segment_id: s.name for s in model.segments if (after == s.segment_id).any()},
                moved_share=moved,
                confidence=model.choice.confidence,
            )
        )
        champion, before, labels_before = model, after, labels
    return done


def _labels(scenario: Scenario, order: np.ndarray, progress: float, before: np.ndarray | None) -> np.ndarray:
    """The type of each user: as few users as possible change, in a fixed order."""
    shares = np.array(scenario.shares(progress))
    target = np.floor(shares / shares.sum() * len(order) + 1e-9).astype(int)
    target[target.argmax()] += len(order) - target.sum()
    if before is None:
        labels = np.empty(len(order), np.int64)
        labels[order] = np.repeat(np.arange(len(target)), target)
        return labels
    labels = before.copy()
    counts = np.bincount(labels, minlength=len(target))
    for gaining in np.flatnonzero(counts < target):
        for losing in np.flatnonzero(counts > target):
            count = min(target[gaining] - counts[gaining], counts[losing] - target[losing])
            movers = [i for i in order if labels[i] == losing][:count]
            labels[movers] = gaining
            counts[losing] -= count
            counts[gaining] += count
    return labels


def row(name: str, done: list[Run]) -> str:
    """One Markdown row."""
    promotions = [run for run in done[1:] if run.decision == "PROMOTE"]
    moved_without = sum(run.moved_share > 0 and run.decision != "PROMOTE" for run in done)
    end = done[min(LAST_CHANGE + 9, len(done) - 1)]
    return (
        f"| {name} | {done[0].agreement:.2f} | {min(run.agreement for run in done):.2f} | {end.agreement:.2f} | "
        f"{', '.join(str(run.number) for run in promotions) or '-'} | {moved_without} | "
        f"{'; '.join(f'{segment_id} {name}' for segment_id, name in end.names.items())} | {end.confidence} |"
    )


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=1_200)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--scenario", choices=[*SCENARIOS])
    parser.add_argument("--promotion", choices=["automatic", "approve"], default="automatic")
    parser.add_argument("--verbose", action="store_true", help="print every run")
    given = parser.parse_args()
    print("| scenario | first | lowest | 10 runs after | promotions | moves without one | names | confidence |")
    print("|---|---:|---:|---:|---|---:|---|---|")
    for name in [given.scenario] if given.scenario else SCENARIOS:
        done = simulated_runs(SCENARIOS[name], users=given.users, runs=given.runs, promotion=given.promotion)
        if given.verbose:
            for run in done:
                print(run)
        print(row(name, done), flush=True)


if __name__ == "__main__":
    main()
