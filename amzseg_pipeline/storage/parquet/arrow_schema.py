"""A table's contract as an Arrow schema and as a Frictionless Table Schema."""

import json
from typing import Any

import pyarrow as pa

from amzseg_pipeline.contracts.publish import CONTRACT_VERSION
from amzseg_pipeline.contracts.schema import Column, Table

CONTRACT_METADATA = b"amzseg_contract"
"""The key of the contract, as JSON, in a file's metadata."""

_ARROW_TYPES = {
    "string": pa.string(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "date": pa.date32(),
}
_FRICTIONLESS_TYPES = {
    "string": "string",
    "int64": "integer",
    "float64": "number",
    "bool": "boolean",
    "date": "date",
}


def arrow_schema(table: Table) -> pa.Schema:
    """The table's Arrow schema: description and unit in the metadata of fields, the contract in that of the schema.

    Strings are `string`, not `large_string`; columns that are not nullable are required fields.
    """
    contract = {
        "version": CONTRACT_VERSION,
        "table": table.name,
        "description": table.description,
        **frictionless_schema(table),
    }
    return pa.schema([_field(column) for column in table.columns], metadata={CONTRACT_METADATA: json.dumps(contract)})


def frictionless_schema(table: Table) -> dict[str, Any]:
    """The table's columns and key as a Frictionless Table Schema with the custom property `unit`."""
    return {
        "fields": [_descriptor(column) for column in table.columns],
        "primaryKey": list(table.key),
    }


def _field(column: Column) -> pa.Field:
    metadata = {"description": column.description}
    if column.unit:
        metadata["unit"] = column.unit
    return pa.field(column.name, _ARROW_TYPES[column.type], nullable=column.nullable, metadata=metadata)


def _descriptor(column: Column) -> dict[str, Any]:
    bounds = {"minimum": column.minimum, "maximum": column.maximum}
    return {
        "name": column.name,
        "type": _FRICTIONLESS_TYPES[column.type],
        "description": column.description,
        **({"unit": column.unit} if column.unit else {}),
        "constraints": {
            "required": not column.nullable,
            **{name: bound for name, bound in bounds.items() if bound is not None},
        },
    }
