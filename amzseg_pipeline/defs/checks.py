"""The check that every table has: its rows keep its contract.

Checks that belong to one asset alone stand below that asset.
"""

from typing import Any

import dagster as dg
import narwhals as nw

from amzseg_pipeline.contracts.schema import Table
from amzseg_pipeline.steps import table_contract as contract


def contract_check(
    table: Table, *, may_be_empty: bool = False, search_repeats: bool = True
) -> dg.AssetChecksDefinition:
    """A blocking check of columns, types, nulls, ranges and repeated keys; its metadata holds counts, never rows.

    `search_repeats` is for tables whose key is not unique by the way they are made.
    """

    @dg.asset_check(
        asset=table.name,
        name="schema_contract",
        blocking=True,
        description="Columns, types, nulls, ranges and keys are as the contract promises.",
    )
    def schema_contract(frame: nw.LazyFrame) -> dg.AssetCheckResult:
        faults = contract.schema_violations(frame, table)
        counts: dict[str, int] = {}
        if not faults:
            counts = {
                name: int(count or 0) for name, count in _only_row(contract.rule_violations(frame, table)).items()
            }
            if table.key and search_repeats:
                counts["duplicate keys"] = int(_only_row(contract.duplicate_keys(frame, table))["duplicates"] or 0)
            rows = counts.pop("rows")
            faults = [f"{rule}: {count:,} rows" for rule, count in counts.items() if count]
            if rows == 0 and not may_be_empty:
                faults.append("the table is empty")
        return dg.AssetCheckResult(
            passed=not faults,
            description="; ".join(faults) or "every row keeps the contract",
            metadata={rule: count for rule, count in counts.items() if count},
        )

    return schema_contract


def _only_row(frame: nw.LazyFrame) -> dict[str, Any]:
    return frame.collect("pyarrow").rows(named=True)[0]
