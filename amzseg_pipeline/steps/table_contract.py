"""Checks of a frame against the contract of its table."""

import narwhals as nw

from amzseg_pipeline.contracts.schema import Table

_TYPES = {
    "string": nw.String(),
    "int64": nw.Int64(),
    "float64": nw.Float64(),
    "bool": nw.Boolean(),
    "date": nw.Date(),
}


def schema_violations(frame: nw.LazyFrame, table: Table) -> list[str]:
    """One message per column that is missing, unexpected or of another type; empty for a valid schema."""
    schema = frame.collect_schema()
    expected = {column.name: _TYPES[column.type] for column in table.columns}
    return [
        *(f"column {name!r} is missing" for name in expected if name not in schema),
        *(f"column {name!r} is not in the contract" for name in schema if name not in expected),
        *(
            f"column {name!r} is {schema[name]}, not {type_}"
            for name, type_ in expected.items()
            if name in schema and schema[name] != type_
        ),
    ]


def rule_violations(frame: nw.LazyFrame, table: Table) -> nw.LazyFrame:
    """One row: `rows`, and per rule of the contract the number of values that violate it."""
    return frame.select(rows=nw.len(), **_violation_counts(table))


def duplicate_keys(frame: nw.LazyFrame, table: Table) -> nw.LazyFrame:
    """One row: `duplicates`, the number of rows beyond the first of each key."""
    per_key = frame.group_by(*table.key).agg(rows=nw.len())
    return per_key.select(duplicates=(nw.col("rows") - 1).sum())


def _violation_counts(table: Table) -> dict[str, nw.Expr]:
    rules: dict[str, nw.Expr] = {}
    for column in table.columns:
        value = nw.col(column.name)
        if not column.nullable:
            rules[f"{column.name} is null"] = value.is_null()
        if column.type == "float64":
            rules[f"{column.name} is not finite"] = ~value.is_finite()
        if column.minimum is not None:
            rules[f"{column.name} below {column.minimum:g}"] = value < column.minimum
        if column.maximum is not None:
            rules[f"{column.name} above {column.maximum:g}"] = value > column.maximum
    return {name: nw.when(violates.fill_null(False)).then(1).otherwise(0).sum() for name, violates in rules.items()}
