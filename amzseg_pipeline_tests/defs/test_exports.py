"""Exports of every format, alone and combined, from the landing zone to a published snapshot."""

import gzip
import json
import shutil

import pandas as pd
import pytest

from amzseg_pipeline import has_snapshot, read_latest
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.storage.landing.synthetic_exports import (
    canonical_csv,
    item_2018,
    item_2023,
    json_lines,
    landing_zone,
    parquet,
    review_2018,
    review_2023,
    sales_csv,
)

REVIEWS = [
    review_2023(n, user_id=f"U{n % 30}", rating=float(1 + n % 5), parent_asin=f"B{n % 7}", timestamp=10**12 + n)
    for n in range(90)
]
CANONICAL = {"user_id": "D", "rating": 4.5, "paid_price": 2.25, "currency": "USD"}
ITEMS = [item_2023(n, parent_asin=f"B{n}", price=n + 1.5) for n in range(7)]


def published(data_root):
    """The latest snapshot and its users by id."""
    snapshot = read_latest(data_root.root)
    return snapshot, snapshot.segment_assignments().set_index("user_id")


def dropped(snapshot):
    """The features that the published model left out, with the reasons."""
    scaling = json.loads((snapshot.path / "model.json").read_text())["scaling"]
    return {feature["name"]: feature["reason"] for feature in scaling["dropped"]}


def test_reviews_without_metadata_have_no_spend_and_no_discount(tmp_path):
    data_root = landing_zone(tmp_path, {"reviews.jsonl": json_lines(REVIEWS)})
    assert scenario.run(data_root).success
    snapshot, users = published(data_root)
    assert users[["avg_spend", "avg_discount"]].isna().all(axis=None)
    assert dropped(snapshot).keys() >= {"avg_spend", "avg_discount"}
    assert dropped(snapshot)["avg_spend"] == dropped(snapshot)["avg_discount"] == "no user has a value"
    assert snapshot.currency is None


def test_changed_item_price_changes_only_its_reviews(tmp_path):
    exports = {"reviews.parquet": parquet(REVIEWS), "meta.jsonl.gz": gzip.compress(json_lines(ITEMS))}
    data_root = landing_zone(tmp_path, exports)
    assert scenario.run(data_root).success
    before, users = published(data_root)
    expected = pd.Series({f"U{n}": sum((n + 30 * i) % 7 + 1.5 for i in range(3)) / 3 for n in range(30)})
    pd.testing.assert_series_equal(
        users["avg_spend"].sort_index(), expected.sort_index(), check_names=False, rtol=1e-12
    )
    assert (before.currency, dropped(before).keys() & {"avg_spend", "avg_discount"}) == ("USD", {"avg_discount"})

    repriced = [item | ({"price": 1001.5} if item["parent_asin"] == "B1" else {}) for item in ITEMS]
    landing_zone(tmp_path, {"meta.jsonl.gz": gzip.compress(json_lines(repriced))})
    assert scenario.run(data_root).success
    after, changed = published(data_root)
    assert after.sequence == before.sequence + 1
    differs = changed["avg_spend"] != users["avg_spend"].reindex(changed.index)
    assert set(changed.index[differs]) == {f"U{n % 30}" for n in range(90) if n % 7 == 1}
    assert scenario.materialised(scenario.run(data_root)) == set()


def test_all_formats_combine(tmp_path):
    data_root = landing_zone(
        tmp_path,
        {
            "2023.jsonl": json_lines([*REVIEWS, b'{"rating": 5', REVIEWS[0] | {"rating": 5.0}]),
            "2023.parquet": parquet([REVIEWS[1], *(review_2023(n, user_id=f"P{n}") for n in range(20))]),
            "meta_2023.jsonl": json_lines(ITEMS),
            "2018.json.gz": gzip.compress(json_lines([review_2018(n, reviewerID=f"E{n % 9}") for n in range(18)] * 2)),
            "meta_2018.json": json_lines([item_2018(n, price="$12.99" if n else "from 14.99") for n in range(18)]),
            "shop.csv": canonical_csv([{"user_id": f"C{n % 4}", "paid_price": f"{n + 1}"} for n in range(20)]),
            "shop.parquet": parquet([CANONICAL | {"item_id": n, "reviewed_at": 16 * 10**11 + n} for n in range(3)]),
        },
    )
    result = scenario.run(data_root)
    assert result.success, scenario.failure(result)
    snapshot, users = published(data_root)
    row_reconciliation = snapshot.run()["row_reconciliation"]
    assert row_reconciliation["raw"] == 92 + 21 + 36 + 20 + 3
    assert row_reconciliation["cleaned"] == 90 + 20 + 18 + 20 + 3
    assert row_reconciliation["duplicates"] == row_reconciliation["raw"] - row_reconciliation["cleaned"] - 1
    assert row_reconciliation["rejected"] == 1
    assert {user: int(users["total_reviews"][user]) for user in ("U0", "P1", "E1", "C1", "D")} == {
        "U0": 3,
        "P1": 1,
        "E1": 2,
        "C1": 5,
        "D": 3,
    }
    assert users["avg_rating"]["U0"] == pytest.approx((5.0 + 1.0 + 1.0) / 3)  # of duplicates, the highest rating
    assert users["avg_spend"]["E1"] == 12.99
    assert users["avg_spend"]["D"] == 2.25
    assert snapshot.currency == "USD"
    assert {batch["format"] for batch in snapshot.inputs} == {
        "Amazon Reviews 2023",
        "Amazon Reviews 2023 parquet",
        "Amazon Reviews 2023 items",
        "Amazon Reviews 2018",
        "Amazon Reviews 2018 items",
        "canonical CSV",
        "canonical parquet",
    }


@pytest.mark.parametrize(
    ("exports", "message"),
    [
        ({"meta.jsonl": json_lines(ITEMS)}, "item metadata but no reviews"),
        ({"a.csv": sales_csv([{}] * 9), "b.jsonl": json_lines(REVIEWS), "meta.jsonl": json_lines(ITEMS)}, "currencies"),
        ({"reviews.jsonl": json_lines(REVIEWS)[:-2]}, "looks cut"),
        ({"reviews.jsonl.gz": gzip.compress(json_lines(REVIEWS))[:-1]}, "the gzip file looks cut"),
        ({"reviews.parquet": parquet(REVIEWS)[:-1]}, "the parquet file is damaged or cut"),
    ],
)
def test_unreadable_export_fails_the_run_with_the_reason(tmp_path, exports, message):
    data_root = landing_zone(tmp_path, exports)
    result = scenario.run(data_root)
    assert not result.success
    assert message in scenario.failure(result)
    assert list(exports)[-1] in scenario.failure(result)
    assert scenario.materialised(result) == set()
    assert not has_snapshot(data_root.root)


def test_damaged_page_fails_the_run_and_names_the_export(tmp_path):
    content = bytearray(parquet([review_2023(n) for n in range(3_000)]))
    content[100:2_000] = b"\xff" * 1_900
    result = scenario.run(landing_zone(tmp_path, {"good.jsonl": json_lines(REVIEWS), "bad.parquet": bytes(content)}))
    assert not result.success
    assert "bad.parquet: the parquet file is damaged or cut" in scenario.failure(result)
    assert not has_snapshot(tmp_path)


def test_too_many_damaged_items_stop_the_run(tmp_path):
    exports = {"reviews.jsonl": json_lines(REVIEWS), "meta.jsonl": json_lines([*ITEMS, b"{"])}
    result = scenario.run(landing_zone(tmp_path, exports))
    assert not result.success
    failed = [check.check_name for check in result.get_asset_check_evaluations() if not check.passed]
    assert failed == ["item_reconciliation"]
    assert not has_snapshot(tmp_path)


@pytest.mark.real_data
def test_publishes_the_known_result_of_real_reviews_of_2018(tmp_path, real_data):
    data_root = landing_zone(tmp_path, {})
    for name in ("Gift_Cards_5.json.gz", "meta_Gift_Cards.json.gz"):
        shutil.copy(real_data / name, data_root.landing)
    result = scenario.run(data_root)
    assert result.success, scenario.failure(result)
    snapshot, users = published(data_root)
    row_reconciliation = snapshot.run()["row_reconciliation"]
    assert (row_reconciliation["raw"], row_reconciliation["cleaned"], row_reconciliation["duplicates"]) == (
        2_972,
        2_972,
        0,
    )
    assert (row_reconciliation["rejected"], row_reconciliation["unreadable"]) == (0, {})
    assert len(users) == 458
    assert users["priced_reviews"].sum() == 2_519
    assert users["discounted_reviews"].sum() == 0
    assert dropped(snapshot)["avg_discount"] == "no user has a value"
    assert snapshot.currency == "USD"

    plain = plain_features(real_data)
    assert set(users["as_of"].astype(str)) == {"2018-08-22"}
    for feature in plain.columns:
        expected, found = plain[feature].reindex(users.index).astype(float), users[feature].astype(float)
        pd.testing.assert_series_equal(found, expected, check_names=False, rtol=1e-12, atol=0)


def plain_features(folder) -> pd.DataFrame:
    """Features per reviewer of the real files, computed without the pipeline."""
    with gzip.open(folder / "meta_Gift_Cards.json.gz", "rt") as lines:
        prices = {item["asin"]: item["price"] for item in map(json.loads, lines)}
    with gzip.open(folder / "Gift_Cards_5.json.gz", "rt") as lines:
        reviews = pd.DataFrame(map(json.loads, lines))
    price = reviews["asin"].map(prices).str.extract(r"^\$([0-9,]+\.[0-9]{2})$")[0].str.replace(",", "").astype(float)
    day = pd.to_datetime(reviews["unixReviewTime"], unit="s").dt.floor("D")
    reviews = reviews.assign(price=price, day=day, month=day.dt.strftime("%Y-%m"), age=(day.max() - day).dt.days)
    by_user = reviews.groupby("reviewerID")
    return pd.DataFrame(
        {
            "total_reviews": by_user.size(),
            "avg_rating": by_user["overall"].mean(),
            "avg_spend": by_user["price"].mean(),
            "recency_days": by_user["age"].min(),
            "tenure_days": by_user["age"].max(),
            "active_months": by_user["month"].nunique(),
        }
    )
