"""Segments over many runs while customers change in known ways: agreement with the truth, names, ids and moves.

    python -m benchmarks.scenarios [--only SCENARIO ...] [--users 3000] [--seed 1] [--growth-days 400] [--runs]

Customers have a true type and write reviews as that type does. Every run calls the pure steps of the job in their
order, without Dagster. `--runs` prints every run.

Over 250 lines: a customer generator, the runs and the scenarios, which make sense only together.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pandas as pd

from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.contracts.promotion import PromotionState
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.contracts.users import FEATURES
from amzseg_pipeline.steps import segments

Rows = npt.NDArray[np.int64]

FIRST_RUN = datetime(2024, 1, 1, 2, tzinfo=UTC)
SETTINGS = Settings(k_max=6, n_init=2, prediction_splits=6, jaccard_bootstraps=5)


@dataclass(frozen=True)
class CustomerType:
    """How customers of a type shop: first reviews, reviews per run, and the levels of single customers.

    The number of first reviews is 1 + Poisson(`first_reviews`); `log_price` is the mean of ln(price).
    """

    name: str
    first_reviews: float
    reviews_per_run: float
    discount: float
    log_price: float
    rating: float = 4.2


LOYAL = CustomerType("loyal", 9.0, 0.05, 25.0, 7.8, 4.5)
DEAL = CustomerType("deal seeker", 0.5, 0.01, 62.0, 5.8)
CASUAL = CustomerType("casual", 0.3, 0.01, 12.0, 6.9)
EXPENSIVE_DEAL = CustomerType("expensive deals", 0.6, 0.01, 65.0, 8.4, 4.0)
TYPES = (LOYAL, DEAL, CASUAL, EXPENSIVE_DEAL)
SHARES = {"loyal": 0.15, "deal seeker": 0.45, "casual": 0.40}
FOUR_SHARES = {"loyal": 0.15, "deal seeker": 0.3, "casual": 0.3, "expensive deals": 0.25}

_LEVEL_SD = {"discount": 6.0, "log_price": 0.3, "rating": 0.2}
_REVIEW_SD = {"discount": 6.0, "log_price": 0.3, "rating": 0.5}


class Customers:
    """Customers with integer sums over their reviews, as user_features has them; changed in place."""

    def __init__(self, types: Sequence[CustomerType], *, seed: int) -> None:
        self.kinds = types
        self.rng = np.random.default_rng(seed)
        self.numbers: Rows = np.zeros(0, np.int64)
        self.types: Rows = np.zeros(0, np.int64)
        self.offsets = {name: np.zeros(0) for name in _LEVEL_SD}
        self.sums: dict[str, Rows] = {name: np.zeros(0, np.int64) for name in _SUMS}
        self.monthly: Rows = np.zeros((0, _MONTHS), np.int64)
        self.month = _HISTORY_MONTHS - 1
        self.month_rng = np.random.default_rng((seed, 1))
        self.next_number = 0
        self.active: set[int] = set()

    def join(self, shares: dict[str, float], users: int) -> None:
        """`users` new customers of types in these shares, with their first reviews."""
        chances = np.array([shares.get(kind.name, 0.0) for kind in self.kinds])
        kinds = self.rng.choice(len(chances), users, p=chances / chances.sum())
        first = len(self.types)
        self.numbers = np.append(self.numbers, np.arange(self.next_number, self.next_number + users))
        self.next_number += users
        self.types = np.append(self.types, kinds)
        for name, sd in _LEVEL_SD.items():
            self.offsets[name] = np.append(self.offsets[name], self.rng.normal(0, sd, users))
        for name in self.sums:
            self.sums[name] = np.append(self.sums[name], np.zeros(users, np.int64))
        self.monthly = np.vstack([self.monthly, np.zeros((users, _MONTHS), np.int64)])
        means = np.array([kind.first_reviews for kind in self.kinds])[kinds]
        rows = np.repeat(np.arange(first, first + users), 1 + self.rng.poisson(means))
        self.write(rows, months=self.month - self.month_rng.integers(0, _HISTORY_MONTHS, len(rows)))

    def write(self, rows: Rows, *, like: Sequence[CustomerType] = (), months: Rows | None = None) -> None:
        """One review of the customer in each of `rows` (repeated for several), as `like` describes their types.

        `months` are those of the reviews, this month by default.
        """
        kinds, like = self.types[rows], like or self.kinds
        value = {}
        for name, sd in _REVIEW_SD.items():
            levels = np.array([getattr(kind, name) for kind in like])[kinds] + self.offsets[name][rows]
            value[name] = self.rng.normal(levels, sd)
        rating = np.clip(value["rating"].round(), 1, 5).astype(np.int64) * 10
        discount = (np.clip(value["discount"], 0, 95) * 100).round().astype(np.int64)
        paid = (np.exp(value["log_price"]) * 100).round().astype(np.int64)
        log_paid = (np.log1p(paid / 100) * 1000).round().astype(np.int64)
        ones = np.ones(len(rows), np.int64)
        reviews = (ones, rating, rating**2, discount, discount**2, paid, log_paid, log_paid**2)
        for name, values in zip(_SUMS, reviews, strict=True):
            np.add.at(self.sums[name], rows, values)
        np.add.at(self.monthly, (rows, self.month if months is None else months), 1)
        self.active |= set(self.numbers[rows].tolist())

    def write_at_their_rate(self, *, like: Sequence[CustomerType] = ()) -> None:
        """The reviews of one run."""
        rates = np.array([kind.reviews_per_run for kind in self.kinds])[self.types]
        self.write(np.repeat(np.arange(len(self.types)), self.rng.poisson(rates)), like=like)

    def leave(self, is_leaving: npt.NDArray[np.bool_]) -> None:
        """Removes customers, as an export that no longer has them does."""
        self.numbers, self.types = self.numbers[~is_leaving], self.types[~is_leaving]
        self.offsets = {name: values[~is_leaving] for name, values in self.offsets.items()}
        self.sums = {name: values[~is_leaving] for name, values in self.sums.items()}
        self.monthly = self.monthly[~is_leaving]

    def of_type(self, name: str) -> npt.NDArray[np.bool_]:
        """Whether each customer is of the type."""
        return np.asarray(self.types == [kind.name for kind in self.kinds].index(name))

    def user_features(self, *, counted: str = "as is") -> pd.DataFrame:
        """The columns of contracts.USER_FEATURES that the segments stage uses; `counted` is one of COUNTS."""
        reviews, sums = self.sums["reviews"], self.sums
        users = pd.DataFrame({"user_id": [f"user {number:07d}" for number in self.numbers]})
        users["user_hash"] = (pd.util.hash_array(users["user_id"].to_numpy(object)) >> 32).astype(np.int64)
        users["total_reviews"] = COUNTS[counted](self)
        users["avg_rating"] = sums["rating_tenths_sum"] / reviews / 10
        users["avg_discount"] = sums["discount_bp_sum"] / reviews / 100
        users["avg_spend"] = sums["paid_minor_sum"] / reviews / 100
        users["engagement_score"] = users["total_reviews"] * users["avg_rating"]
        for count in ("rated_reviews", "discounted_reviews", "priced_reviews"):
            users[count] = reviews
        return users.assign(**{name: values for name, values in sums.items() if name != "reviews"})


_SUMS = (
    "reviews",
    *("rating_tenths_sum", "rating_square_sum", "discount_bp_sum", "discount_square_sum"),
    *("paid_minor_sum", "log_paid_sum", "log_paid_square_sum"),
)

_HISTORY_MONTHS = 6
_MONTHS = _HISTORY_MONTHS + 14
_DAYS_PER_MONTH = 30


def _tenths(counts: npt.NDArray[np.float64]) -> Rows:
    """Whole numbers, as a number of reviews has to be; a factor of 10 only shifts its logarithm."""
    return np.rint(10 * counts).astype(np.int64)


COUNTS: dict[str, Callable[[Customers], npt.NDArray[Any]]] = {
    "as is": lambda customers: customers.sums["reviews"],
    "last 6 months": lambda customers: np.maximum(
        customers.monthly[:, max(0, customers.month - 5) : customers.month + 1].sum(axis=1), 1
    ),
    "per active month": lambda customers: _tenths(customers.sums["reviews"] / (customers.monthly > 0).sum(axis=1)),
    "rank": lambda customers: _tenths(
        2.0 ** (6 * pd.Series(customers.sums["reviews"]).rank(pct=True, method="average").to_numpy())
    ),
}
"""Ways to count the reviews of a customer, for the study of growth."""

Change = Callable[[Customers, int], None]
"""Changes the customers in a run, numbered from 2."""


@dataclass(frozen=True)
class Scenario:
    """Customers at the start, and what happens in every later run.

    `same_types` are types that count as one in the end; `living` are types whose segments must keep their ids.
    `is_separable` says whether KMeans recovers the types in the end.
    """

    name: str
    shares: dict[str, float]
    change: Change
    runs: int = 36
    first_users: float = 1.0
    same_types: tuple[str, ...] = ()
    living: tuple[str, ...] = ("loyal", "deal seeker", "casual")
    is_separable: bool = True


@dataclass(frozen=True)
class Run:
    """One run: the decision, agreement with the true types, and what happened to users without new data."""

    number: int
    decision: str
    reason: str
    agreement: float
    users: int
    names: dict[str, str]
    sizes: dict[str, int]
    untrue: tuple[str, ...]
    moved_idle: frozenset[int]
    segment_of_type: dict[str, str]
    confidence: str
    possible: float | None
    """In the last run, the agreement of KMeans with the true number of types on the same scaled features."""

    drift: tuple[str, ...] = field(repr=False)


def simulated(
    scenario: Scenario, *, users: int, seed: int, settings: Settings = SETTINGS, counted: str = "as is", days: int = 1
) -> Iterator[Run]:
    """The runs of a scenario that starts with about `users` users, one every `days` days."""
    from sklearn.metrics import adjusted_rand_score

    customers = Customers(TYPES, seed=seed)
    customers.join(scenario.shares, round(users * scenario.first_users))
    job = Job(settings)
    previous: dict[int, str] = {}
    for number in range(1, scenario.runs + 1):
        if number > 1:
            customers.active, customers.month = set(), _HISTORY_MONTHS - 1 + number * days // _DAYS_PER_MONTH
            for _ in range(days):
                scenario.change(customers, number)
        features = customers.user_features(counted=counted)
        decision, reason = job.run(features, now=FIRST_RUN + timedelta(days=days * (number - 1)))
        assert job.model is not None
        assert job.assignments is not None
        ids = job.assignments["segment_id"].to_numpy(object)
        true = np.array([kind.name for kind in TYPES], dtype=object)[customers.types]
        true = np.where(np.isin(true, scenario.same_types), "same", true)
        current = dict(zip(customers.numbers.tolist(), ids.tolist(), strict=True))
        yield Run(
            number=number,
            decision=decision,
            reason=reason,
            agreement=float(adjusted_rand_score(true, ids)),
            users=len(ids),
            names={segment.segment_id: segment.name for segment in job.model.segments},
            sizes=pd.Series(ids).value_counts().to_dict(),
            untrue=tuple(untrue_names(job.assignments)),
            moved_idle=frozenset(
                user for user in current.keys() & previous.keys() - customers.active if current[user] != previous[user]
            ),
            segment_of_type=pd.Series(ids).groupby(true).agg(lambda each: each.value_counts().index[0]).to_dict(),
            confidence=job.model.choice.confidence,
            possible=_possible_agreement(job, features, true) if number == scenario.runs else None,
            drift=job.drift_triggers,
        )
        previous = current


def _possible_agreement(job: "Job", users: pd.DataFrame, true: npt.NDArray[np.object_]) -> float:
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score

    assert job.scaled is not None
    true_of_user = pd.Series(true, index=users["user_id"].to_numpy())
    points = job.scaled[[name for name in FEATURES if job.scaled[name].notna().all()]].astype(float)
    labels = KMeans(len(set(true)), n_init=10, random_state=0).fit(points.to_numpy()).labels_
    return float(adjusted_rand_score(true_of_user[job.scaled["user_id"].to_numpy(object)], labels))


class Job:
    """The segments stage of the job segment_users, run after run."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.model: Model | None = None
        self.state = PromotionState()
        self.assignments: pd.DataFrame | None = None
        self.drift_triggers: tuple[str, ...] = ()
        self.scaled: pd.DataFrame | None = None

    def run(self, users: pd.DataFrame, *, now: datetime) -> tuple[str, str]:
        """The decision of the promotion gate and its reason, after a run on `users`."""
        settings, champion = self.settings, self.model
        users = users.sort_values("user_id", ignore_index=True)
        features = nw.from_native(users).lazy()
        before = None if self.assignments is None else nw.from_native(self.assignments).lazy()
        scaling = segments.feature_scaling(users, transform="log", shrinkages=segments.shrinkages(features))
        self.scaled = segments.scaled_features(users, scaling)
        drift = segments.drift(users, champion, settings) if champion else segments.drift_without_champion(len(users))
        challenger = segments.challenger_of_run(
            features,
            self.scaled,
            scaling,
            settings,
            champion=champion,
            first_segment_number=1,
            promotion_state=self.state,
            previous_assignments=before,
            drift=drift,
            now=now,
            training_requested=False,
            approved_version="",
        )
        report = segments.promotion_report(champion, challenger, drift, self.state, settings, now=now)
        model = segments.serving_model(report, challenger, champion, self.state)
        self.model = segments.with_member_names(model, users, rating_meaning="user")
        self.state = segments.promotion_state_after(self.state, report, challenger, settings, drift=drift, now=now)
        joined = segments.with_previous_segments(features, before).collect("pandas").to_native()
        run_date = now.date()
        self.assignments = segments.assigned_users(
            joined, self.model, champion=champion, as_of=run_date, run_date=run_date
        )
        self.drift_triggers = drift.triggers
        return report.decision, report.reason


CLAIMS: tuple[tuple[tuple[str, ...], str, Callable[[float, float], bool]], ...] = (
    (("Loyal", "Regular"), "total_reviews", lambda own, usual: own >= 1.25 * usual),
    (("Premium", "Big", "High-Value"), "avg_spend", lambda own, usual: own >= 1.1 * usual),
    (("Thrifty", "Savers", "Small-Basket", "Minimalists"), "avg_spend", lambda own, usual: own <= usual / 1.1),
    (("Deal", "Bargain"), "avg_discount", lambda own, usual: own >= usual + 5),
    (("Full-Price",), "avg_discount", lambda own, usual: own <= usual - 5),
    (("Dissatisfied", "Lukewarm", "Critical", "Demanding"), "avg_rating", lambda own, usual: own <= usual - 0.2),
    (("Delighted", "Satisfied S"), "avg_rating", lambda own, usual: own >= usual + 0.2),
)
"""Words in a name, and what mean and median of the members must satisfy against all users."""


def untrue_names(assignments: pd.DataFrame) -> Iterator[str]:
    """The names whose words are not true of the published members, checked without the code that gave them."""
    for name, members in assignments.groupby("segment_name"):
        for words, feature, holds in CLAIMS:
            if any(word in str(name) for word in words):
                usual, own = assignments[feature].astype(float), members[feature].astype(float)
                if not holds(own.mean(), usual.mean()) or not holds(own.median(), usual.median()):
                    yield f"{name}: {feature}"


def _grow(customers: Customers, shares: dict[str, float], *, share: float = 0.003) -> None:
    customers.write_at_their_rate()
    customers.join(shares, round(share * len(customers.types)))


def _steady(customers: Customers, _: int) -> None:
    _grow(customers, SHARES)


def _new_type(customers: Customers, number: int) -> None:
    _grow(customers, SHARES)
    if number <= CHANGE_RUNS:
        target = 0.23 * number / CHANGE_RUNS
        others = np.count_nonzero(~customers.of_type("expensive deals"))
        wanted = round(target / (1 - target) * others) - np.count_nonzero(customers.of_type("expensive deals"))
        customers.join({"expensive deals": 1.0}, max(wanted, 0))


def _split(customers: Customers, number: int) -> None:
    """Half of the deal seekers begin to buy expensive things; each writes a review a run, half of them as before."""
    deal = customers.of_type("deal seeker")
    if number == 2:
        leaving = deal & (customers.numbers % 2 == 0)
        customers.types = np.where(leaving, [kind.name for kind in TYPES].index("expensive deals"), customers.types)
    _grow(customers, FOUR_SHARES)
    if number <= CHANGE_RUNS:
        changed = np.flatnonzero(customers.of_type("expensive deals"))
        customers.write(customers.rng.choice(changed, len(changed) // 2, replace=False))


def _alike(customers: Customers, number: int) -> None:
    """Those who bought expensive deals buy as deal seekers do."""
    like = tuple(DEAL if kind is EXPENSIVE_DEAL else kind for kind in TYPES)
    customers.write_at_their_rate(like=like)
    customers.join(SHARES, round(0.003 * len(customers.types)))
    if number <= CHANGE_RUNS:
        both = np.flatnonzero(customers.of_type("expensive deals") | customers.of_type("deal seeker"))
        customers.write(customers.rng.choice(both, len(both) // 2, replace=False), like=like)


def _dissolve(customers: Customers, number: int) -> None:
    """Everyone writes a review or two in each run, so numbers of reviews grow equally."""
    _grow(customers, SHARES)
    if number <= CHANGE_RUNS:
        everyone = np.arange(len(customers.types))
        customers.write(np.repeat(everyone, customers.rng.integers(1, 3, len(everyone))))


def _die_out(customers: Customers, number: int) -> None:
    """Loyal customers leave: later exports do not have them."""
    _grow(customers, {**SHARES, "loyal": 0.0})
    if number <= CHANGE_RUNS:
        loyal = np.flatnonzero(customers.of_type("loyal"))
        gone = customers.rng.choice(loyal, -(-len(loyal) // (CHANGE_RUNS + 1 - number)), replace=False)
        customers.leave(np.isin(np.arange(len(customers.types)), gone))


def _partial_first(customers: Customers, number: int) -> None:
    """The first file has deal seekers almost alone; the second has everybody else."""
    if number == 2:
        customers.join({"loyal": 0.25, "casual": 0.75}, len(customers.types))
    else:
        _grow(customers, SHARES)


CHANGE_RUNS = 24
SCENARIOS = (
    Scenario("steady growth", SHARES, _steady),
    Scenario("a new type grows to 23%", SHARES, _new_type),
    Scenario("a type splits", SHARES, _split, living=("loyal", "casual")),
    Scenario(
        "two types become identical",
        FOUR_SHARES,
        _alike,
        same_types=("deal seeker", "expensive deals"),
        living=("loyal", "casual"),
    ),
    Scenario("everyone's counts grow", SHARES, _dissolve, is_separable=False),
    Scenario("the loyal die out", FOUR_SHARES, _die_out, living=("deal seeker", "casual", "expensive deals")),
    Scenario(
        "a partial first file",
        {"loyal": 0.03, "deal seeker": 0.94, "casual": 0.03},
        _partial_first,
        runs=14,
        first_users=0.5,
        living=("deal seeker",),
    ),
)


@dataclass(frozen=True)
class Outcome:
    """What a scenario showed."""

    name: str
    runs: tuple[Run, ...]
    living: tuple[str, ...]

    @property
    def promotions(self) -> list[int]:
        """Runs with a promotion, without the first."""
        return [run.number for run in self.runs[1:] if run.decision == "PROMOTE"]

    @property
    def moved_without_promotion(self) -> int:
        """Users without new data who moved in a run without a promotion."""
        return sum(len(run.moved_idle) for run in self.runs if run.decision != "PROMOTE")

    @property
    def moved_twice(self) -> int:
        """Users without new data who moved twice within seven runs."""
        moved = [(run.number, run.moved_idle) for run in self.runs if run.moved_idle]
        pairs = ((a, b) for i, a in enumerate(moved) for b in moved[i + 1 :] if b[0] - a[0] < 7)
        return len(frozenset[int]().union(*(a[1] & b[1] for a, b in pairs)))

    @property
    def untrue(self) -> list[str]:
        """Names that were not true of their members, with the run."""
        return [f"run {run.number}: {name}" for run in self.runs for name in run.untrue]

    @property
    def ids_kept(self) -> int:
        """Types of `living` whose main segment kept its id from the first run to the last."""
        first, last = self.runs[0].segment_of_type, self.runs[-1].segment_of_type
        return sum(first.get(name) is not None and first.get(name) == last.get(name) for name in self.living)


def outcome(
    scenario: Scenario, *, users: int, seed: int, settings: Settings = SETTINGS, counted: str = "as is", days: int = 1
) -> Outcome:
    """The outcome of a scenario."""
    found = simulated(scenario, users=users, seed=seed, settings=settings, counted=counted, days=days)
    return Outcome(scenario.name, tuple(found), scenario.living)


def main() -> None:
    """Prints a row per scenario as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", help="words in the names of the scenarios to run")
    parser.add_argument("--users", type=int, default=3_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--growth-days", type=int, default=0, help="days of steady growth instead of the scenarios")
    parser.add_argument("--days", type=int, default=1, help="days between runs")
    parser.add_argument("--counted", choices=COUNTS, default="as is", help="how reviews are counted")
    parser.add_argument("--runs", action="store_true", help="print every run")
    options = parser.parse_args()
    chosen = [each for each in SCENARIOS if not options.only or any(word in each.name for word in options.only)]
    if options.growth_days:
        chosen = [replace(SCENARIOS[0], runs=options.growth_days // options.days)]
    print(
        "| scenario | runs | agreement: first, lowest, last | KMeans | promotions | moved without one | twice | untrue "
        "| ids |"
    )
    print("|---|---:|---|---:|---|---:|---:|---:|---|")
    for scenario in chosen:
        found = outcome(scenario, users=options.users, seed=options.seed, counted=options.counted, days=options.days)
        agreements = [run.agreement for run in found.runs]
        cells = (
            found.name,
            len(found.runs),
            f"{agreements[0]:.2f}, {min(agreements):.2f}, {agreements[-1]:.2f}",
            f"{found.runs[-1].possible:.2f}",
            ", ".join(map(str, found.promotions)) or "none",
            found.moved_without_promotion,
            found.moved_twice,
            len(found.untrue),
            f"{found.ids_kept} of {len(found.living)}",
        )
        print(f"| {' | '.join(map(str, cells))} |", flush=True)
        if options.runs:
            for run in found.runs:
                print(
                    f"  {run.number} {run.agreement:.3f} {run.confidence} {run.decision}: {run.reason[:150]} "
                    f"moved {len(run.moved_idle)} drift {list(run.drift)[:3]} {run.untrue}"
                )
                print("     ", {i: f"{n} {run.sizes.get(i, 0)}" for i, n in run.names.items()})


if __name__ == "__main__":
    main()
