"""A mapping file says which column is which; a change of it changes the rows."""

from pathlib import Path

import pytest

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.storage.landing.formats.detection import format_of
from amzseg_pipeline.storage.landing.formats.export_format import ParsedFormat
from amzseg_pipeline_tests.storage.landing.synthetic_exports import (
    csv_of,
    item_2018,
    item_2023,
    json_lines,
    landing_zone,
    opened,
    parquet,
    raw_rows,
    review_2023,
    reviews_read,
    sales_csv,
)

SHOP = csv_of(
    [
        {"Customer": "U1", "Article": "I1", "Stars": "4", "Amount": "1,234", "When": "05.06.2020"},
        {"Customer": "U2", "Article": "I2", "Stars": "5", "Amount": "2,345", "When": "07.06.2020"},
    ],
    delimiter=";",
)
MAPPING = """
currency = "EUR"
date_format = "%d.%m.%Y"
decimal = "."
[columns]
user_id = "Customer"
item_id = "Article"
rating = "Stars"
paid_price = "Amount"
reviewed_at = "When"
"""


@pytest.mark.parametrize("name", ["2020/shop.csv.columns.toml", "2020/columns.toml"])
def test_reads_a_table_by_its_mapping(tmp_path: Path, name: str) -> None:
    raw = reviews_read(landing_zone(tmp_path, {"2020/shop.csv": SHOP, name: MAPPING.encode()}))
    assert (raw.batches[0].format, raw.currency, raw.skipped) == ("mapped columns", "EUR", ())
    first, second = raw_rows(raw)
    assert (first["user_id"], first["item_id"], first["rating"], first["paid_price"]) == ("U1", "I1", "4", "1,234")
    assert (first["reviewed_at"], second["reviewed_at"]) == ("1591315200000", "1591488000000")


def test_a_changed_mapping_is_a_new_batch(tmp_path: Path) -> None:
    data_root = landing_zone(tmp_path, {"shop.csv": SHOP, "shop.csv.columns.toml": MAPPING.encode()})
    before = reviews_read(data_root).batches[0]
    assert reviews_read(data_root).batches[0] == before
    landing_zone(tmp_path, {"shop.csv.columns.toml": MAPPING.replace("EUR", "CHF").encode()})
    after = reviews_read(data_root).batches[0]
    assert (before.currency, after.currency) == ("EUR", "CHF")
    assert before.sha256 != after.sha256


def test_the_sha256_sidecar_is_that_of_the_export(tmp_path: Path) -> None:
    import hashlib

    sidecar = hashlib.sha256(SHOP).hexdigest().encode()
    exports = {"shop.csv": SHOP, "shop.csv.columns.toml": MAPPING.encode(), "shop.csv.sha256": sidecar}
    assert reviews_read(landing_zone(tmp_path, exports)).rows == 2


def test_an_unknown_format_prints_a_mapping_to_copy(tmp_path: Path) -> None:
    with pytest.raises(RefusedInput) as caught:
        reviews_read(landing_zone(tmp_path, {"shop.csv": SHOP}))
    assert 'in a file shop.csv.columns.toml:\n[columns]\nuser_id = "Customer"\nitem_id = "Article"' in str(caught.value)
    assert 'paid_price = "Amount"' in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("[columns]", "[columns"), "shop.csv.columns.toml is not TOML"),
        (('"Stars"', '"Sterne"'), "names columns that are not there: 'Sterne'"),
        (("rating =", "ratings ="), "columns.rating: Field required; columns.ratings: Extra inputs"),
        (('"EUR"', '"euro"'), "shop.csv.columns.toml: currency"),
        (('decimal = "."', 'decimal = ";"'), "shop.csv.columns.toml: decimal"),
        (('decimal = "."', ""), "thousands or decimals cannot be decided, such as '1,234'"),
        (('date_format = "%d.%m.%Y"', ""), "day and month cannot be told apart"),
    ],
)
def test_refuses_a_wrong_mapping_with_the_fix(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    mapping = MAPPING.replace(*change)
    with pytest.raises(RefusedInput) as caught:
        reviews_read(landing_zone(tmp_path, {"shop.csv": SHOP, "shop.csv.columns.toml": mapping.encode()}))
    assert message in str(caught.value)


def test_the_currency_of_listings_without_symbols_can_be_stated(tmp_path: Path) -> None:
    listing = {"discounted_price": "399", "actual_price": "1,099"}
    exports = {"sales.csv": sales_csv([listing]), "columns.toml": b'currency = "INR"'}
    raw = reviews_read(landing_zone(tmp_path, exports))
    assert (raw.currency, {row["currency"] for row in raw_rows(raw)}) == ("INR", {"INR"})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("items.jsonl", json_lines([item_2023(1, price=12.5)])),
        ("items.json", json_lines([item_2018(1, price="12.50")])),
        ("items.parquet", parquet([item_2023(1, price="12.5")])),
    ],
    ids=["2023", "2018", "parquet"],
)
def test_the_currency_of_item_metadata_can_be_stated(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    for stated, currency in ((b"", "USD"), (b'currency = "EUR"', "EUR")):
        path.with_name(f"{name}.columns.toml").write_bytes(stated)
        export_format, export = format_of(opened(path))
        assert isinstance(export_format, ParsedFormat)
        (rows,) = export_format.raw_rows(export)
        assert rows["currency"].to_pylist() == [currency]


@pytest.mark.parametrize(
    ("name", "content", "key"),
    [
        ("sales.csv", sales_csv(), 'date_format = "%d.%m.%Y"'),
        ("sales.csv", sales_csv(), 'time_unit = "seconds"'),
        ("reviews.jsonl", json_lines([review_2023(1)]), 'decimal = ","'),
        ("reviews.jsonl", json_lines([review_2023(1)]), 'delimiter = ";"'),
        ("reviews.parquet", parquet([review_2023(1)]), 'currency = "EUR"'),
        ("items.jsonl", json_lines([item_2023(1)]), 'time_unit = "seconds"'),
    ],
)
def test_a_stated_key_that_a_format_does_not_use_is_reported(
    tmp_path: Path, name: str, content: bytes, key: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    path.with_name("columns.toml").write_text(key)
    _, export = format_of(opened(path))
    (assumption,) = (each for each in export.assumptions if "mapping file" in each)
    assert assumption.startswith(f"{key.split()[0]} of the mapping file is not used: ")


def test_a_stated_unit_of_parquet_times_is_used(tmp_path: Path) -> None:
    seconds = 1_600_000_000
    exports = {
        "reviews.parquet": parquet([review_2023(1, timestamp=seconds)]),
        "columns.toml": b'time_unit = "seconds"',
    }
    (row,) = raw_rows(reviews_read(landing_zone(tmp_path, exports)))
    assert row["reviewed_at"] == str(1000 * seconds)
