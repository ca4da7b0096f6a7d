import json

import pyarrow as pa
import pytest

from amzseg_pipeline.contracts.publish import CONTRACT_VERSION
from amzseg_pipeline.contracts.schema import Column, Table
from amzseg_pipeline.contracts.tables import TABLES
from amzseg_pipeline.storage.parquet.arrow_schema import CONTRACT_METADATA, arrow_schema, frictionless_schema

VISITS = Table(
    "visits",
    "Shops and days.",
    (
        Column("shop", "string", "where"),
        Column("spend", "float64", "how much", unit="INR", nullable=True, minimum=0),
        Column("visits", "int64", "how often", maximum=9),
        Column("is_open", "bool", "open"),
        Column("on", "date", "when"),
    ),
    key=("shop", "on"),
)


def test_fields_have_description_and_unit() -> None:
    assert arrow_schema(VISITS).equals(
        pa.schema(
            [
                pa.field("shop", pa.string(), nullable=False, metadata={"description": "where"}),
                pa.field("spend", pa.float64(), metadata={"description": "how much", "unit": "INR"}),
                pa.field("visits", pa.int64(), nullable=False, metadata={"description": "how often"}),
                pa.field("is_open", pa.bool_(), nullable=False, metadata={"description": "open"}),
                pa.field("on", pa.date32(), nullable=False, metadata={"description": "when"}),
            ]
        ),
    )
    assert arrow_schema(VISITS).field("spend").metadata == {b"description": b"how much", b"unit": b"INR"}


def test_the_schema_contains_the_contract() -> None:
    contract = json.loads(arrow_schema(VISITS).metadata[CONTRACT_METADATA])
    assert contract == {
        "version": CONTRACT_VERSION,
        "table": "visits",
        "description": "Shops and days.",
        **frictionless_schema(VISITS),
    }


def test_frictionless_fields() -> None:
    assert frictionless_schema(VISITS) == {
        "fields": [
            {"name": "shop", "type": "string", "description": "where", "constraints": {"required": True}},
            {
                "name": "spend",
                "type": "number",
                "description": "how much",
                "unit": "INR",
                "constraints": {"required": False, "minimum": 0},
            },
            {
                "name": "visits",
                "type": "integer",
                "description": "how often",
                "constraints": {"required": True, "maximum": 9},
            },
            {"name": "is_open", "type": "boolean", "description": "open", "constraints": {"required": True}},
            {"name": "on", "type": "date", "description": "when", "constraints": {"required": True}},
        ],
        "primaryKey": ["shop", "on"],
    }


@pytest.mark.parametrize("name", TABLES)
def test_every_table_has_a_schema(name: str) -> None:
    assert tuple(arrow_schema(TABLES[name]).names) == TABLES[name].column_names
