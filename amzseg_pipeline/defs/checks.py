"""The check of every table: its rows meet the schema contract. Checks of a single asset are in that asset's module."""

from typing import Any

import dagster as dg
import narwhals as nw

from amzseg_pipeline.contracts.schema import Table
from amzseg_pipeline.steps import table_contract as contract


def contract_check(table: Table, *, may_be_empty: bool = False, check_key: bool = True) -> dg.AssetChecksDefinition:
    """A blocking check of columns, types, nulls, ranges and duplicate keys; its metadata holds counts, never rows.

    Pass `check_key=False` for tables whose key is unique by construction.
    """

    @dg.asset_check(
        asset=table.name,
        name="schema_contract",
        blocking=True,
        description="Columns, types, nulls, ranges and keys meet the contract.",
    )
    def schema_contract(frame: nw.LazyFrame) -> dg.AssetCheckResult:
        faults = contract.schema_violations(frame, table)
        counts: dict[str, int] = {}
        if not faults:
            counts = {
                name: int(count or 0) for name, count in _first_row(contract.rule_violations(frame, table)).items()
            }
            if table.key and check_key:
                counts["duplicate keys"] = int(_first_row(contract.duplicate_keys(frame, table))["duplicates"] or 0)
            rows = counts.pop("rows")
            faults = [f"{rule}: {count:,} rows" for rule, count in counts.items() if count]
            if rows == 0 and not may_be_empty:
                faults.append("the table is empty")
        return dg.AssetCheckResult(
            passed=not faults,
            description="; ".join(faults) or "every row meets the contract",
            metadata={rule: count for rule, count in counts.items() if count},
        )

    return schema_contract


def row_count(frame: nw.LazyFrame) -> int:
    """The number of rows of a frame on the engine."""
    return int(_first_row(frame.select(rows=nw.len()))["rows"])


def _first_row(frame: nw.LazyFrame) -> dict[str, Any]:
    return frame.collect("pyarrow").rows(named=True)[0]
