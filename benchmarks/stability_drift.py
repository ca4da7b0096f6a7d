"""Drift warnings without a change, and with planted changes: tables for docs/stability.md.

    python -m benchmarks.stability_drift

Users are synthetic, of three types (loyal, bargain hunters, full-price buyers). A run without drift has another sample
of the same types whose hashes count as known, because unseen users are a separate measure. Only steps/ is run.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.contracts.promotion import Drift
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.segments import drift, training_reference
from amzseg_pipeline_tests.steps.segments.users import model_of, three_types, users_of, with_sums

SETTINGS = Settings()
RUNS = 100
SIZES = (400, 1_000, 10_000, 100_000)


def main() -> None:
    """Prints both tables as Markdown."""
    everyone = three_types(200_000, seed=11)
    print("| users | runs of 100 without a warning |\n|---:|---:|")
    for users in SIZES:
        print(f"| {users:,} | {runs_without_a_warning(everyone, users)} |", flush=True)
    print(
        "\n| planted | share of users | largest PSI | PSI | limit | other warnings | a challenger |"
        "\n|---|---:|---|---:|---:|---:|---|"
    )
    users = three_types(20_000, seed=3)
    champion = trained(users)
    for change, share, changed_users in planted(users):
        print(_row(change, share, drift(changed_users, champion, SETTINGS)), flush=True)


def trained(users: pd.DataFrame) -> Model:
    """A champion of `users`."""
    model = model_of(users, k=3, k_min=3, k_max=3)
    return replace(model, reference=training_reference(users, model))


def runs_without_a_warning(everyone: pd.DataFrame, users: int) -> int:
    """Of 100 runs, each with another sample of `users` users."""
    champion = trained(everyone.sample(users, random_state=1_000))
    known = replace(champion.reference, seen_hashes=tuple(np.sort(everyone["user_hash"].to_numpy()).tolist()))
    champion = replace(champion, reference=known)
    return sum(
        not drift(everyone.sample(users, random_state=run_day), champion, SETTINGS).warnings for run_day in range(RUNS)
    )


def planted(users: pd.DataFrame) -> Iterator[tuple[str, float, pd.DataFrame]]:
    """The planted change, its share of users, and the users of that run."""
    for share in (1.0, 0.5, 0.25, 0.1):
        is_affected = np.random.default_rng(5).random(len(users)) < share
        prices = users["avg_spend"].where(~is_affected, users["avg_spend"] * 2)
        yield "prices doubled", share, with_sums(users.assign(avg_spend=prices))
    for share in (0.2, 0.1, 0.05):
        yield "a new type of user: dissatisfied, at 90% off", share, _with_critics(users, share)
    for share in (0.2, 0.1, 0.05):
        more = users.head(round(share * len(users)))
        loyal = with_sums(more.assign(total_reviews=40.0, engagement_score=40 * more["avg_rating"]))
        yield "a new type of user: 40 reviews each", share, pd.concat([users, _of_others(loyal)], ignore_index=True)


def _with_critics(users: pd.DataFrame, share: float) -> pd.DataFrame:
    draw, count = np.random.default_rng(3), round(share * len(users))
    ratings, prices = draw.uniform(1, 1.5, count), draw.lognormal(6.5, 0.5, count)
    critics = users_of([(2.0, float(r), 90.0, float(p)) for r, p in zip(ratings, prices, strict=True)])
    return pd.concat([users, _of_others(critics)], ignore_index=True)


def _of_others(users: pd.DataFrame) -> pd.DataFrame:
    """The same users under ids that are not known."""
    hashes = (users["user_hash"] * 2_654_435_761 + 12_345) % 2**32
    return users.assign(user_id="other " + users["user_id"], user_hash=hashes)


def _row(change: str, share: float, found: Drift) -> str:
    top = found.measures[0]
    others = len(found.warnings) - int(top.warns)
    asks = "triggered" if found.triggers else "not yet"
    name = top.name.removeprefix("psi_") if top.warns else f"{top.name.removeprefix('psi_')}, no warning"
    return f"| {change} | {share:.0%} | {name} | {top.value:.2f} | {top.limit:.2f} | {others} | {asks} |"


if __name__ == "__main__":
    main()
