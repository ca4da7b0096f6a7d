"""Compares two user_features tables: integers, texts and dates must be equal, floats to nine digits."""

from collections.abc import Mapping
from pathlib import Path

import duckdb

from amzseg_pipeline.contracts.users import USER_FEATURES

EXACT = [column.name for column in USER_FEATURES.columns if column.type != "float64"]
FLOATS = [column.name for column in USER_FEATURES.columns if column.type == "float64"]


def differences(features: str, reference: Path) -> int:
    """The number of users that are in one table only or differ in a value; `features` is a glob pattern."""
    unequal = [
        *(f"a.{name} IS DISTINCT FROM b.{name}" for name in EXACT),
        *(f"(a.{name} IS NULL) <> (b.{name} IS NULL)" for name in FLOATS),
        *(f"abs(a.{name} - b.{name}) > 1e-9 * abs(b.{name})" for name in FLOATS),
    ]
    joined = f"read_parquet('{features}') AS a FULL JOIN read_parquet('{reference}') AS b ON a.user_id = b.user_id"
    return _value(f"SELECT count(*) FROM {joined} WHERE {' OR '.join(unequal)}")


def summary(tables: Mapping[str, str]) -> dict[str, int | str]:
    """The rows of every table, and a checksum of all columns of user_features except floats."""
    counts = {name: _value(f"SELECT count(*) FROM read_parquet('{paths}')") for name, paths in tables.items()}
    row = f"hash({', '.join(EXACT)})::HUGEINT"
    checksum = _value(f"SELECT sum({row})::VARCHAR FROM read_parquet('{tables['user_features']}')")
    reviews = _value(f"SELECT sum(total_reviews)::BIGINT FROM read_parquet('{tables['user_features']}')")
    return {**counts, "reviews": reviews, "checksum": checksum}


def write_reference(features: str, reference: Path) -> None:
    """Writes the table to one file, with which later ones are compared."""
    duckdb.sql(f"COPY (FROM read_parquet('{features}')) TO '{reference}' (FORMAT parquet, COMPRESSION zstd)")


def _value(query: str) -> int:
    return duckdb.sql(query).fetchall()[0][0]
