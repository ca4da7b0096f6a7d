"""Whether the rows of a frame keep their table's contract."""

import narwhals as nw

from amzseg_pipeline.contracts.schema import Table

_TYPES = {
    "string": nw.String(),
    "int64": nw.Int64(),
    "float64": nw.Float64(),
    "bool": nw.Boolean(),
    "date": nw.Date(),
}


def schema_faults(frame: nw.LazyFrame, table: Table) -> list[str]:
    """Sentences on columns that lack, that should not be there or that have another type; empty when all is well."""
    schema = frame.collect_schema()
    promised = {column.name: _TYPES[column.type] for column in table.columns}
    return [
        *(f"column {name!r} lacks" for name in promised if name not in schema),
        *(f"column {name!r} is not in the contract" for name in schema if name not in promised),
        *(
            f"column {name!r} is {schema[name]}, not {kind}"
            for name, kind in promised.items()
            if name in schema and schema[name] != kind
        ),
    ]


def row_faults(frame: nw.LazyFrame, table: Table) -> nw.LazyFrame:
    """One row: `rows`, and per rule of the contract the number of values that break it, named in words."""
    return frame.select(rows=nw.len(), **_broken_rules(table))


def repeated_keys(frame: nw.LazyFrame, table: Table) -> nw.LazyFrame:
    """One row: `repeated`, the number of rows whose key an earlier row has already."""
    duplicate_rows = frame.group_by(*table.key).agg(duplicate_rows=nw.len())
    return duplicate_rows.select(repeated=(nw.col("duplicate_rows") - 1).sum())


def _broken_rules(table: Table) -> dict[str, nw.Expr]:
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
    return {name: nw.when(broken.fill_null(False)).then(1).otherwise(0).sum() for name, broken in rules.items()}
