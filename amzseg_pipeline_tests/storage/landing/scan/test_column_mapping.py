"""A mapping file says which column is which; a change of it changes the rows."""

from pathlib import Path

import pytest

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline_tests.storage.landing.synthetic_exports import csv_of, landing_zone, raw_rows, reviews_read

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
