"""A table's contract in the words of Arrow and of Frictionless Data: types, units, descriptions and the key.

No files and no rows here.
"""

import json
from typing import Any

import pyarrow as pa

from amzseg_pipeline.contracts.publish import CONTRACT_VERSION
from amzseg_pipeline.contracts.schema import Column, Table

CONTRACT_METADATA = b"amzseg_contract"
"""Key of the file-level metadata that holds the contract, as JSON."""

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
    """The table's columns as Arrow fields with description and unit as metadata, and the contract as the schema's.

    Strings are `string`, never `large_string`; a column that is not nullable is a required field.
    """
    contract = {
        "version": CONTRACT_VERSION,
        "table": table.name,
        "description": table.description,
        **frictionless_schema(table),
    }
    return pa.schema([_field(column) for column in table.columns], metadata={CONTRACT_METADATA: json.dumps(contract)})


def frictionless_schema(table: Table) -> dict[str, Any]:
    """The table's columns and key as a Frictionless Table Schema; `unit` is a property of our own."""
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
