"""One shop in many shapes: each case is read with equal values and its assumptions, or refused with the fix.

cases/ holds the files: 160 users, 40 items, 556 reviews, all invented. cases/expected_users.csv is what each user's
features are; a shape may carry less.
"""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps import reviews
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.landing import RawReviews, raw_items_frame, raw_reviews, raw_reviews_frame
from amzseg_pipeline_tests.storage.landing.synthetic_exports import landing_zone, parquet, review_2023

CASES = Path(__file__).parent / "cases"
USERS = pd.read_csv(CASES / "expected_users.csv", index_col="user_id")
MILLISECONDS_PER_DAY = 86_400_000


@dataclass(frozen=True)
class Case:
    """What comes out of a case. `time_ms` is the resolution of its times, 0 for none."""

    name: str
    assumptions: tuple[str, ...] = ()
    time_ms: int = 1
    has_prices: bool = True
    has_discounts: bool = False
    has_ratings: bool = True
    skipped: tuple[str, ...] = ()


DAY = MILLISECONDS_PER_DAY
SALES = {"time_ms": 0, "has_discounts": True, "has_ratings": False}
CANONICAL = {"time_ms": DAY, "has_discounts": True}
NO_PRICES = {"has_prices": False}

READ = [
    Case("canonical_lower_case_currency", **CANONICAL),
    Case("canonical_with_one_more_column", ("columns ignored: title",), **CANONICAL),
    Case("cleaned_sales_counts_as_floats", ("discount_percentage is a fraction of 1",), **SALES),
    Case("dates_as_excel_writes_them", ("reviewed_at is MM/DD/YYYY",), time_ms=60_000, has_discounts=True),
    Case("epoch_seconds", ("reviewed_at is in seconds",), time_ms=1000, has_discounts=True),
    Case("epoch_seconds_2023_jsonl", ("timestamp is in seconds",), time_ms=1000),
    Case("json_array", **NO_PRICES),
    Case("jsonl_without_last_newline", ("the last record (line 556) is complete",)),
    Case("junk_next_to_the_export", skipped=("README.txt", "desktop.ini", "~$orders.xlsx"), **CANONICAL),
    Case("prices_with_float_noise", ("paid_price is rounded to two decimals",), **CANONICAL),
    Case("python_dict_meta_2014", ("records are Python literals",), time_ms=DAY),
    Case("ratings_only_csv_2023"),
    Case("ratings_only_csv_gz_2023"),
    Case("reviews_2014_csv_kaggle", time_ms=DAY, **NO_PRICES),
    Case("reviews_2023_parquet_categorical", **NO_PRICES),
    Case("reviews_2023_parquet_datetimes", **NO_PRICES),
    Case("reviews_2023_to_csv", **NO_PRICES),
    Case("sales_cp1252_rs", ("discounted_price names its currency in letters, such as 'Rs. 24.53'",), **SALES),
    Case("sales_headers_in_title_case", ("columns are User Id as user_id",), **SALES),
    Case("sales_mojibake_rupee", ("discounted_price has currency symbols in a wrong encoding",), **SALES),
    Case("sales_semicolons_decimal_commas", ("semicolons separate", "rating has decimal commas"), **SALES),
    Case("sales_with_derived_column", ("columns ignored: discount_percentage_num",), **SALES),
    Case("sales_with_index_column", ("a column without a name is an index",), **SALES),
    Case("sales_without_rating_count", ("there is no column rating_count",), **SALES),
    Case("spark_output_folder", skipped=("reviews.parquet/_SUCCESS",), **NO_PRICES),
    Case("timestamps_as_floats"),
    Case("winscp_filepart", skipped=("more.csv.filepart",), **CANONICAL),
]
REFUSED = {
    "ids_in_scientific_notation": "orders.csv: column user_id: ids in scientific notation merge different ids, such as "
    "'2.02400E+14'; format the column as text",
    "parquet_damaged_footer": "x.parquet: the parquet file is damaged or cut (",
    "parquet_timestamp_out_of_range": "x.parquet: the parquet file is damaged or cut (",
    "sales_symbol_lost_as_question_mark": "sales.csv: column discounted_price: the currency symbol was lost before "
    "'?100', '?101', '?102'; export as UTF-8",
}
OTHERS = {"nan_price_in_meta", "negative_times_zero_rating_doubled_items", "reviews_2023_float_times"}


def raw_of(case: str, folder: Path) -> RawReviews:
    shutil.copytree(CASES / case, folder / "landing")
    return raw_reviews(DataRoot(folder), Settings(), now=time.time(), skip_settling=False)


def cleaned(raw: RawReviews, folder: Path) -> pd.DataFrame:
    """The typed reviews with the prices of their items."""
    engine = Engine(Settings(threads=1, memory_limit_mib=200), temporary=folder / "spill")
    try:
        checked = reviews.validated_reviews(raw_reviews_frame(raw.reviews, engine))
        items = reviews.items(reviews.validated_items(raw_items_frame(raw.reviews, raw.items, engine)))
        rows: pd.DataFrame = reviews.with_item_prices(checked, items).collect("pyarrow").to_native().to_pandas()
    finally:
        engine.close()
    return rows


def test_every_case_is_in_a_table() -> None:
    names = {path.name for path in CASES.iterdir() if path.is_dir()}
    assert names == {case.name for case in READ} | set(REFUSED) | OTHERS


@pytest.mark.parametrize("case", READ, ids=lambda case: case.name)
def test_reads_the_case_with_its_assumptions(tmp_path: Path, case: Case) -> None:
    raw = raw_of(case.name, tmp_path)
    assumed = "\n".join(assumption for batch in raw.batches for assumption in batch.assumptions)
    assert all(assumption in assumed for assumption in case.assumptions), assumed
    assert tuple(file.path for file in raw.skipped) == case.skipped
    rows = cleaned(raw, tmp_path)
    assert rows["reason"].isna().all()
    assert rows["unreadable"].isna().all()
    assert len(set(zip(rows["user_id"], rows["review_id"], strict=True))) == 556

    users = rows.groupby("user_id")
    assert users.size().sort_index().equals(USERS["total_reviews"].sort_index().rename(None))
    equal = {"rtol": 0, "check_names": False}
    ratings = USERS["avg_rating"] if case.has_ratings else USERS["avg_rating"] * 0 + 4.1
    pd.testing.assert_series_equal(users["rating_tenths"].mean() / 10, ratings, atol=1e-6, **equal)
    if case.has_prices:
        pd.testing.assert_series_equal(users["paid_minor"].mean() / 100, USERS["avg_paid_price"], atol=1e-6, **equal)
    else:
        assert rows["paid_minor"].isna().all()
    if case.has_discounts:
        discounts = users["discount_bp"].mean() / 100
        pd.testing.assert_series_equal(discounts, USERS["avg_discount_percent"], atol=0.006, **equal)
    else:
        assert rows["discount_bp"].isna().all()
    if case.time_ms:
        for found, expected in (("min", "first_reviewed_at_ms"), ("max", "last_reviewed_at_ms")):
            times = users["reviewed_at_ms"].agg(found).astype("int64")
            assert (times == USERS[expected] // case.time_ms * case.time_ms).all()
    else:
        assert rows["reviewed_at_ms"].isna().all()


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_the_case_with_the_fix(tmp_path: Path, case: str) -> None:
    with pytest.raises(RefusedInput) as caught:
        raw_of(case, tmp_path)
    assert REFUSED[case] in str(caught.value)


def test_items_without_a_price_leave_their_reviews_without_one(tmp_path: Path) -> None:
    rows = cleaned(raw_of("nan_price_in_meta", tmp_path), tmp_path)
    assert len(rows) == 556
    assert rows["reason"].isna().all()
    assert 0 < rows["paid_minor"].isna().sum() < 556


def test_implausible_values_are_unreadable_and_counted(tmp_path: Path) -> None:
    rows = cleaned(raw_of("negative_times_zero_rating_doubled_items", tmp_path), tmp_path)
    assert len(rows) == 556
    assert rows["unreadable"].value_counts().to_dict() == {"reviewed_at": 2, "rating": 1}


def test_times_with_a_fraction_of_zero_are_read(tmp_path: Path) -> None:
    rows = cleaned(raw_of("reviews_2023_float_times", tmp_path), tmp_path)
    assert rows["reason"].isna().all()
    assert rows["reviewed_at_ms"].notna().all()


def test_out_of_range_values_in_parquet_are_unreadable_and_counted(tmp_path: Path) -> None:
    good = [review_2023(number) for number in range(1, 9)]
    year_9000_ms = 221_845_392_000_000
    odd = [{"rating": 7.0}, {"rating": float("nan")}, {"timestamp": year_9000_ms}, {"timestamp": 0}]
    records = good + [review_2023(number) | values for number, values in enumerate(odd, start=9)]
    data_root = landing_zone(tmp_path, {"a.parquet": parquet(records)})
    raw = raw_reviews(data_root, Settings(), now=time.time(), skip_settling=False)
    assert raw.batches[0].is_read_in_place
    rows = cleaned(raw, tmp_path)
    assert len(rows) == 12
    assert rows["unreadable"].value_counts().to_dict() == {"rating": 2, "reviewed_at": 2}
