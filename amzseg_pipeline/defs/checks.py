"""The check of every table: its rows meet the schema contract. Checks of a single asset are in that asset's module."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import narwhals as nw

from amzseg_pipeline.contracts.schema import Table
from amzseg_pipeline.defs.resources import PipelineResource
from amzseg_pipeline.steps import table_contract as contract
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.parquet.partitions import TableParts
from amzseg_pipeline.storage.warehouse.checked_parts import parts_to_check
from amzseg_pipeline.storage.warehouse.cleaned_reviews import CleanedReviews


def contract_check(table: Table, *, may_be_empty: bool = False) -> dg.AssetChecksDefinition:
    """A blocking check of columns, types, nulls, ranges and duplicate keys; its metadata holds counts, never rows."""

    @dg.asset_check(
        asset=table.name,
        name="schema_contract",
        blocking=True,
        description="Columns, types, nulls, ranges and keys meet the contract.",
    )
    def schema_contract(frame: nw.LazyFrame) -> dg.AssetCheckResult:
        faults, counts = _violations(frame, table, check_key=bool(table.key))
        if counts.pop("rows", None) == 0 and not may_be_empty:
            faults.append("the table is empty")
        return _result(faults, counts, "every row meets the contract")

    return schema_contract


def parts_contract_check(
    table: Table, index: type[TableParts | CleanedReviews], *, may_be_empty: bool = False
) -> dg.AssetChecksDefinition:
    """Like contract_check, for a table in parts whose key is unique by construction.

    Reads only parts that no run has checked with the same code; all parts in forced and requested runs, and weekly.
    """

    @dg.asset_check(
        asset=table.name,
        name="schema_contract",
        blocking=True,
        description="Columns, types, nulls and ranges meet the contract. Parts that an earlier run has checked are "
        "checked again weekly, and in runs with force or train.",
    )
    def schema_contract(
        parts: index,  # type: ignore[valid-type]
        engine: dg.ResourceParam[Engine],
        pipeline: PipelineResource,
    ) -> dg.AssetCheckResult:
        to_check = parts_to_check(
            parts,
            table,
            warehouse=pipeline.data_root.warehouse,
            now=pipeline.now,
            check_all=bool(pipeline.request_reason),
        )
        rows = to_check.rows(engine)
        faults, counts = ([], {}) if rows is None else _violations(rows, table, check_key=False)
        counts.pop("rows", None)
        if to_check.index.rows == 0 and not may_be_empty:
            faults.append("the table is empty")
        if not faults:
            to_check.save()
        return _result(faults, counts, f"every row meets the contract; checked: {to_check.summary}")

    return schema_contract


def row_count(frame: nw.LazyFrame) -> int:
    """The number of rows of a frame on the engine."""
    return int(_first_row(frame.select(rows=nw.len()))["rows"])


def _violations(frame: nw.LazyFrame, table: Table, *, check_key: bool) -> tuple[list[str], dict[str, int]]:
    """Every fault as text; and counts: the rows, and the violations of each rule. No counts if the schema is wrong."""
    faults = contract.schema_violations(frame, table)
    if faults:
        return faults, {}
    counts = {name: int(count or 0) for name, count in _first_row(contract.rule_violations(frame, table)).items()}
    if check_key:
        counts["duplicate keys"] = int(_first_row(contract.duplicate_keys(frame, table))["duplicates"] or 0)
    return [f"{rule}: {count:,} rows" for rule, count in counts.items() if count and rule != "rows"], counts


def _result(faults: Sequence[str], counts: Mapping[str, int], message: str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=not faults,
        description="; ".join(faults) or message,
        metadata={rule: count for rule, count in counts.items() if count},
    )


def _first_row(frame: nw.LazyFrame) -> dict[str, Any]:
    return frame.collect("pyarrow").rows(named=True)[0]
