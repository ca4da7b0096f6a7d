"""What every asset says of itself in the UI: group, kinds, owner, description, columns.

No assets here.
"""

from typing import Any

import dagster as dg

from amzseg_pipeline.contracts.schema import Column, Table
from amzseg_pipeline.defs.code_versions import CODE_VERSIONS

OWNERS = ["team:data-engineering"]


def described_table(table: Table, *, stage: str, kinds: set[str]) -> dict[str, Any]:
    """The arguments of an asset that holds `table`."""
    return described(table.description, stage=stage, kinds={"parquet", *kinds}) | {
        "metadata": {"dagster/table_name": table.name, "dagster/column_schema": _column_schema(table)}
    }


def described(description: str, *, stage: str, kinds: set[str]) -> dict[str, Any]:
    """The arguments of an asset that is no table."""
    return {
        "group_name": stage,
        "kinds": kinds,
        "owners": OWNERS,
        "description": description,
        "code_version": CODE_VERSIONS[stage],
    }


def _column_schema(table: Table) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                type=column.type,
                description=_meaning(column),
                constraints=dg.TableColumnConstraints(
                    nullable=column.nullable, unique=table.key == (column.name,), other=_range(column)
                ),
            )
            for column in table.columns
        ]
    )


def _meaning(column: Column) -> str:
    return f"{column.description} [{column.unit}]" if column.unit else column.description


def _range(column: Column) -> list[str]:
    ends = (("at least", column.minimum), ("at most", column.maximum))
    return [f"{words} {end:g}" for words, end in ends if end is not None]
