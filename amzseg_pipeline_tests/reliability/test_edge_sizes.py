"""The job on tiny exports and on identical users: segments, or a message about the cause."""

from collections.abc import Iterable, Mapping

import pandas as pd
import pytest

from amzseg_pipeline import has_snapshot, read_latest
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline_tests import scenario

HEAD = "user_id,item_id,rating,paid_price,list_price,currency"


def export(reviews: Iterable[Mapping[str, object]]) -> bytes:
    """A canonical CSV; a review's user, item, rating, price and list price differ from the others' unless given."""
    lines = [HEAD]
    for number, given in enumerate(reviews):
        cells = {
            "user_id": f"U{number:04d}",
            "item_id": f"I{number:04d}",
            "rating": 1 + number % 5,
            "paid_price": f"{1 + number * number % 97}.50",
            "list_price": f"{120 + number % 7}.00",
            "currency": "EUR",
        }
        lines.append(",".join(str(cell) for cell in {**cells, **given}.values()))
    return "".join(f"{line}\n" for line in lines).encode()


def same(reviews: int, **cells: object) -> list[Mapping[str, object]]:
    return [cells] * reviews


def published(data_root: DataRoot) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Users and segments; every user has a segment, and all numbers are finite."""
    snapshot = read_latest(data_root.root)
    users, profiles = snapshot.segment_assignments(), snapshot.segment_profiles()
    assert profiles["users"].sum() == len(users)
    assert set(users["segment_id"]) <= set(profiles["segment_id"])
    numbers = pd.concat([users.select_dtypes("number").stack(), profiles.select_dtypes("number").stack()])
    assert not numbers.isin([float("inf"), -float("inf")]).any()
    return users, profiles


FLAT: Mapping[str, object] = {"rating": 4, "paid_price": "9.99", "list_price": "19.99"}
UNPRICED: Mapping[str, object] = {"paid_price": "", "list_price": ""}


@pytest.mark.parametrize(
    ("reviews", "k", "users", "segments"),
    [
        pytest.param(same(9, user_id="U"), 4, 1, 1, id="one user of nine reviews"),
        pytest.param(same(3), 4, 3, 3, id="fewer users than k", marks=pytest.mark.slow),
        pytest.param(same(40, **FLAT), 4, 40, 1, id="identical users and k given"),
        pytest.param(same(40, rating=4), 4, 40, 4, id="one constant feature", marks=pytest.mark.slow),
        pytest.param(same(40, rating=""), 4, 40, 4, id="a feature without values", marks=pytest.mark.slow),
        pytest.param(same(40, **UNPRICED), 4, 40, 4, id="no price at all", marks=pytest.mark.slow),
        pytest.param(same(40, rating="", **UNPRICED), 0, 40, 1, id="nothing but users and items"),
        pytest.param([*same(39), {"paid_price": "90000000000.00", "list_price": ""}], 0, 40, 3, id="one huge price"),
        pytest.param([*same(39), {"paid_price": "inf"}], 4, 40, 4, id="one price without end", marks=pytest.mark.slow),
    ],
)
def test_segments_few_and_identical_users(tmp_path, reviews, k, users, segments):
    data_root = scenario.data_root_with(tmp_path, export=export(reviews))
    result = scenario.run(data_root, settings={**scenario.QUICK, "k": k})
    assert result.success, scenario.failure(result)
    found, profiles = published(data_root)
    assert (len(found), len(profiles)) == (users, segments)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(export([]), "has a header but no record", id="no reviews"),
        pytest.param(export(same(30, user_id="")), "rejection_rate", id="no users"),
        pytest.param(export(same(40, rating="inf")), "column rating: no value is a rating", id="ratings without end"),
        pytest.param(export(same(40, paid_price="cheap")), "column paid_price: no value", id="unreadable prices"),
    ],
)
def test_exports_without_users_or_numbers_publish_nothing(tmp_path, content, message):
    data_root = scenario.data_root_with(tmp_path, export=content)
    result = scenario.run(data_root)
    assert not result.success
    failed = [check.check_name for check in result.get_asset_check_evaluations() if not check.passed]
    assert message in failed or message in scenario.failure(result)
    assert not has_snapshot(data_root.root)
