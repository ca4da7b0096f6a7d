"""Segment names for 2 to 10 segments with the means of their users: one Markdown table per source.

    python -m benchmarks.names --real FOLDER > names.md

Runs the pipeline on the bundled sample, on amazon.csv and on the gift card reviews of 2018 in FOLDER, each in a
temporary data root. A name fit that triggers a warning is in bold.
"""

import argparse
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import narwhals as nw
import numpy as np
import pandas as pd

from amzseg_pipeline.contracts.model import FeatureScaling, Segment
from amzseg_pipeline.contracts.personas import PERSONAS
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.contracts.users import USER_FEATURES
from amzseg_pipeline.steps import segments
from amzseg_pipeline.steps.segments.clusters.k_evidence import scaled_points
from amzseg_pipeline.steps.segments.clusters.kmeans import clusters
from amzseg_pipeline.steps.segments.model.naming import named_segments
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.warehouse.catalog import table_frame
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.steps.segments.users import untrained_model

SAMPLE = Path(__file__).parent.parent / "data" / "landing" / "sample_amazon.csv"
NUMBERS = range(2, 11)
_SETTINGS = Settings()


@dataclass(frozen=True)
class NamedUsers:
    """One segment: its name and fit, its users, and their means (NaN if no user has a value)."""

    k: int
    name: str
    name_fit: float
    users: int
    share: float
    means: Mapping[str, float]


def main() -> None:
    """Prints the personas, then the table of each source."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, required=True, help="folder with the real exports")
    real = parser.parse_args().real
    print(f"## Personas\n\n{personas()}\n")
    amazon = users_of(real / "amazon.csv")
    sample = users_of(SAMPLE)
    for source, users in {
        "The Amazon Sales Dataset": amazon,
        "The same without discounts": without_discounts(amazon),
        "Gift cards of 2018, which have no discounts": users_of(
            real / "Gift_Cards_5.json.gz", real / "meta_Gift_Cards.json.gz"
        ),
        "The bundled sample": sample,
        "The same without its discounts": without_discounts(sample),
    }.items():
        print(f"## {source}\n\n{table(named_users(users))}\n", flush=True)


def personas() -> str:
    """Markdown: the prototype of every persona; axes that the name claims are in bold."""
    rows = ["| name | engagement | spend | discount | rating | strategy |", "|---|---|---|---|---|---|"]
    for persona in PERSONAS:
        axes = (
            f"**{value:+.1f}**" if axis in persona.claims else f"{value:+.1f}"
            for axis, value in zip(
                ("engagement", "spend", "discount", "rating"),
                (persona.engagement, persona.spend, persona.discount, persona.rating),
                strict=True,
            )
        )
        rows.append(f"| {persona.name}{' (core)' if persona.core else ''} | {' | '.join(axes)} | {persona.strategy} |")
    return "\n".join(rows)


def users_of(*exports: Path) -> pd.DataFrame:
    """contracts.USER_FEATURES of the exports, computed by a run of the pipeline."""
    with tempfile.TemporaryDirectory() as folder:
        data_root = DataRoot(Path(folder))
        data_root.landing.mkdir()
        for export in exports:
            shutil.copy(export, data_root.landing)
        result = scenario.run(data_root, only=["raw_reviews", "items", "rejected_items", "cleaned_reviews",
                                          "rejected_reviews", "row_reconciliation", "user_features"])  # fmt: skip
        if not result.success:
            raise SystemExit(scenario.failure(result))
        engine = Engine(_SETTINGS, temporary=data_root.root / ".temporary")
        try:
            users: pd.DataFrame = (
                table_frame(data_root.warehouse, USER_FEATURES.name, engine).collect("pandas").to_native()
            )
            return users
        finally:
            engine.close()


def without_discounts(users: pd.DataFrame) -> pd.DataFrame:
    """The same users, as from a source without list prices."""
    sums = {name: 0 for name in users.columns if "discount" in name}
    return users.assign(**{**sums, "avg_discount": pd.array([None] * len(users), dtype="Float64")})


def named_users(users: pd.DataFrame, *, n_init: int = _SETTINGS.n_init) -> Iterator[NamedUsers]:
    """The segments of `users` for every k, largest first, scaled, fitted and named as a model is."""
    shrinkages = segments.shrinkages(nw.from_native(users).lazy())
    scaling = segments.feature_scaling(users, transform=_SETTINGS.transform, shrinkages=shrinkages)
    users = users.sort_values("user_id", ignore_index=True)
    points = scaled_points(segments.scaled_features(users, scaling), scaling)
    for k in NUMBERS:
        yield from _named(users, points, scaling, k=k, n_init=n_init)


def _named(
    users: pd.DataFrame, points: np.ndarray, scaling: FeatureScaling, *, k: int, n_init: int
) -> Iterator[NamedUsers]:
    found = clusters(points, k, seed=_SETTINGS.seed, n_init=n_init)
    features = users[["total_reviews", "avg_rating", "avg_discount", "avg_spend"]].astype(float)
    means = features.groupby(found.labels).mean()
    fitted = tuple(
        Segment(
            f"S{i + 1:04d}",
            named.persona.name,
            named.persona.strategy,
            named.name_fit,
            tuple(found.centroids[i].tolist()),
            found.sizes[i],
            found.outlier_distances[i],
        )
        for i, named in enumerate(named_segments(found.centroids, scaling))
    )
    model = replace(untrained_model(), scaling=scaling, segments=fitted)
    for i, segment in enumerate(segments.with_member_names(model, users, rating_meaning="user").segments):
        yield NamedUsers(
            k=k,
            name=segment.name,
            name_fit=segment.name_fit,
            users=found.sizes[i],
            share=found.sizes[i] / len(users),
            means={str(name): float(value) for name, value in means.loc[i].items()},
        )


def table(named: Iterator[NamedUsers]) -> str:
    """Markdown: one row per segment; a weak fit is in bold."""
    rows = [
        "| k | name | users | reviews | rating | discount | spend | name fit |",
        "|---|---|---|---|---|---|---|---|",
    ]
    before = 0
    for each in named:
        fit = f"{each.name_fit:.2f}"
        means = each.means
        rows.append(
            f"| {each.k if each.k != before else ''} | {each.name} | {each.users:,} ({100 * each.share:.0f} %) | "
            f"{means['total_reviews']:.2f} | {_number(means['avg_rating'], '.2f')} | "
            f"{_number(means['avg_discount'], '.0f', ' %')} | {_number(means['avg_spend'], ',.0f')} | "
            f"{f'**{fit}**' if each.name_fit < _SETTINGS.min_name_fit else fit} |"
        )
        before = each.k
    return "\n".join(rows)


def _number(value: float, form: str, unit: str = "") -> str:
    return "" if np.isnan(value) else f"{value:{form}}{unit}"


if __name__ == "__main__":
    main()
