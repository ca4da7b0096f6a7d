"""The bundled sample export: made by its script, of the documented shape and dirt, and nobody's real data."""

import ast
import csv
import io
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from kneed import KneeLocator
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score
from sklearn.preprocessing import StandardScaler

SCRIPT = Path(__file__).parents[1] / "data" / "make_sample_amazon.py"
SAMPLE = SCRIPT.parent / "landing" / "sample_amazon.csv"
HEADER = (
    "product_id,product_name,category,discounted_price,actual_price,discount_percentage,rating,rating_count,"
    "about_product,user_id,user_name,review_id,review_title,review_content,img_link,product_link"
)
Record = dict[str, str]


def records_of(path: Path) -> list[Record]:
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8"), newline=""), strict=True))


SAMPLE_RECORDS = records_of(SAMPLE)


def aligned(records: list[Record]) -> list[Record]:
    return [record for record in records if length(record["user_id"]) == length(record["review_id"])]


def length(joined: str) -> int:
    return joined.count(",") + 1


def pairs(records: list[Record]) -> Iterator[tuple[str, str, Record]]:
    """(user_id, review_id, listing) of every reviewer that has an id, of listings whose two lists are equally long."""
    for record in aligned(records):
        for user_id, review_id in zip(record["user_id"].split(","), record["review_id"].split(","), strict=True):
            if user_id:
                yield user_id, review_id, record


def reviews(records: list[Record]) -> set[tuple[str, str]]:
    return {(user_id, review_id) for user_id, review_id, _ in pairs(records)}


def users_without_rating(records: list[Record]) -> set[str]:
    rated = {user_id for user_id, _, record in pairs(records) if record["rating"] != "|"}
    return {user_id for user_id, _, _ in pairs(records)} - rated


def products_of_reviews(records: list[Record]) -> dict[str, set[str]]:
    products: dict[str, set[str]] = {}
    for _, review_id, record in pairs(records):
        products.setdefault(review_id, set()).add(record["product_id"])
    return products


def repeated_products(records: list[Record], *differing: str) -> int:
    """Product ids of more than one listing whose listings differ in each of the columns given."""
    listings: dict[str, list[Record]] = {}
    for record in records:
        listings.setdefault(record["product_id"], []).append(record)
    return sum(
        len(same) > 1 and all(len({record[column] for record in same}) > 1 for column in differing)
        for same in listings.values()
    )


def misaligned(records: list[Record], column: str) -> int:
    return sum(length(record[column]) != length(record["user_id"]) for record in records)


def with_text(records: list[Record], text: str) -> int:
    return sum(any(text in cell for cell in record.values()) for record in records)


def matching(records: list[Record], pattern: str, *columns: str) -> int:
    return sum(re.fullmatch(pattern, record[column]) is not None for record in records for column in columns)


LAKHS = r"₹?\d{1,2},\d{2},\d{3}"
COUNTS: dict[str, Callable[[list[Record]], int]] = {
    "listings": len,
    "product ids": lambda r: len({record["product_id"] for record in r}),
    "users": lambda r: len({user_id for user_id, _ in reviews(r)}),
    "users with more than one review": lambda r: sum(n > 1 for n in Counter(u for u, _ in reviews(r)).values()),
    "users with 5 reviews or more": lambda r: sum(n >= 5 for n in Counter(u for u, _ in reviews(r)).values()),
    "reviews, by distinct (user_id, review_id)": lambda r: len(reviews(r)),
    "repetitions of a review in another listing": lambda r: sum(1 for _ in pairs(r)) - len(reviews(r)),
    "review ids under several product ids, which are variants": lambda r: sum(
        len(products) > 1 for products in products_of_reviews(r).values()
    ),
    "product ids in two listings, whose links differ": lambda r: repeated_products(r, "product_link", "img_link"),
    "of them differ in rating_count": lambda r: repeated_products(r, "rating_count"),
    "of them differ in discounted_price": lambda r: repeated_products(r, "discounted_price"),
    "listing whose rating is `|`": lambda r: matching(r, r"\|", "rating"),
    "users who have no other rating": lambda r: len(users_without_rating(r)),
    "listings whose rating_count is empty": lambda r: matching(r, "", "rating_count"),
    "listing with a review id missing, so that its lists differ in length": lambda r: len(r) - len(aligned(r)),
    "reviewers with an empty user id": lambda r: sum(record["user_id"].split(",").count("") for record in r),
    "listings whose user_name does not align": lambda r: misaligned(r, "user_name"),
    "listings whose review_title does not align": lambda r: misaligned(r, "review_title"),
    "listings whose review_content does not align": lambda r: misaligned(r, "review_content"),
    "listings with a line break in a field": lambda r: with_text(r, "\n"),
    "listings with a quote in a field": lambda r: with_text(r, '"'),
    "cells that begin with =": lambda r: matching(r, r"(?s)=.*", *HEADER.split(",")),
    "cells that begin with +": lambda r: matching(r, r"(?s)\+.*", *HEADER.split(",")),
    "cells that begin with -": lambda r: matching(r, r"(?s)-.*", *HEADER.split(",")),
    "cells that begin with @": lambda r: matching(r, r"(?s)@.*", *HEADER.split(",")),
    "rating counts in Indian grouping, as 1,79,691": lambda r: matching(r, LAKHS, "rating_count"),
    "price in Indian grouping, as ₹1,39,900": lambda r: matching(r, LAKHS, "discounted_price", "actual_price"),
    "prices with paise": lambda r: matching(r, r".*\.\d\d", "discounted_price", "actual_price"),
}


def documented_counts() -> dict[str, int]:
    text = ast.get_docstring(ast.parse(SCRIPT.read_text(encoding="utf-8"))) or ""
    lines = re.findall(r"^ *([\d,]+)  (.+)$", text, flags=re.MULTILINE)
    return {sentence: int(number.replace(",", "")) for number, sentence in lines}


def test_the_script_makes_the_committed_bytes(tmp_path: Path) -> None:
    made = tmp_path / "sample.csv"
    subprocess.run([sys.executable, str(SCRIPT), str(made)], check=True, capture_output=True)
    assert made.read_bytes() == SAMPLE.read_bytes()


@pytest.mark.parametrize("sentence", COUNTS)
def test_the_docstring_states_what_the_bytes_hold(sentence: str) -> None:
    assert documented_counts()[sentence] == COUNTS[sentence](SAMPLE_RECORDS) > 0


def test_every_documented_count_is_counted() -> None:
    assert documented_counts().keys() == COUNTS.keys()


def test_the_file_is_small_and_ends_in_a_line_feed() -> None:
    content = SAMPLE.read_bytes()
    assert 200_000 < len(content) <= 400_000
    assert content.startswith(f"{HEADER}\n".encode())
    assert content.endswith(b"\n") and b"\r" not in content


@pytest.mark.parametrize(
    ("column", "pattern"),
    [
        ("product_id", r"B0[0-9A-Z]{8}"),
        ("category", r"[^|]+(\|[^|]+){1,6}"),
        ("discounted_price", r"₹\d{1,3}(,\d{3})*(\.\d\d)?"),
        ("actual_price", r"₹(\d{1,3}(,\d{3})?|\d{1,2},\d\d,\d{3})"),
        ("discount_percentage", r"\d{1,2}%"),
        ("rating", r"[1-5](\.\d)?|\|"),
        ("rating_count", r"(\d{1,3}(,\d{3})?|\d{1,2},\d\d,\d{3})?"),
        ("user_id", r"(A[E-H][A-Z2-7]{26})?(,A[E-H][A-Z2-7]{26}){0,7}"),
        ("review_id", r"R[0-9A-Z]{12,13}(,R[0-9A-Z]{12,13}){0,7}"),
        ("img_link", r"https://images\.example/\S+"),
        ("product_link", r"https://shop\.example/\S+"),
    ],
)
def test_every_cell_has_the_form_of_the_export(column: str, pattern: str) -> None:
    assert [record[column] for record in SAMPLE_RECORDS if not re.fullmatch(pattern, record[column])] == []


def test_no_text_is_missing_and_categories_are_2_to_7_deep() -> None:
    texts = ("product_name", "about_product", "user_name", "review_title", "review_content")
    assert all(record[column].strip() for record in SAMPLE_RECORDS for column in texts)
    assert {record["category"].count("|") + 1 for record in SAMPLE_RECORDS} == set(range(2, 8))


def test_prices_agree_with_the_stated_discount() -> None:
    for record in SAMPLE_RECORDS:
        paid, listed = (
            float(record[column].lstrip("₹").replace(",", "")) for column in ("discounted_price", "actual_price")
        )
        assert 0 < paid <= listed
        assert abs((1 - paid / listed) * 100 - int(record["discount_percentage"].rstrip("%"))) <= 1


def test_what_must_be_rejected_stays_far_below_the_limit_of_5_percent() -> None:
    unequal = len(SAMPLE_RECORDS) - len(aligned(SAMPLE_RECORDS))
    empty = sum(record["user_id"].split(",").count("") for record in SAMPLE_RECORDS)
    rows = sum(length(record["user_id"]) for record in aligned(SAMPLE_RECORDS)) + unequal
    assert 0 < (unequal + empty) / rows < 0.005


def test_a_user_reviews_a_listing_once() -> None:
    assert all(len(set(record["user_id"].split(","))) == length(record["user_id"]) for record in SAMPLE_RECORDS)


def test_users_show_three_segments() -> None:
    standardised = StandardScaler().fit_transform(user_features(SAMPLE_RECORDS))
    fits = {k: KMeans(k, n_init=10, random_state=42).fit(standardised) for k in range(1, 9)}
    silhouettes = {k: silhouette_score(standardised, fits[k].labels_) for k in range(3, 9)}
    inertias = [fits[k].inertia_ for k in fits]
    assert KneeLocator(list(fits), inertias, curve="convex", direction="decreasing").knee == 3
    assert silhouettes[3] >= 0.9 * max(silhouettes.values())
    assert min(np.bincount(fits[3].labels_)) >= 0.05 * len(standardised)


def user_features(records: list[Record]) -> pd.DataFrame:
    """The five features per user, a missing mean rating filled with that of all users."""
    number = re.compile(r"[₹,%]")
    rows = sorted(
        (
            user_id,
            review_id,
            *(number.sub("", record[column]) for column in ("rating", "discounted_price", "actual_price")),
        )
        for user_id, review_id, record in pairs(records)
    )
    table = pd.DataFrame(rows, columns=["user_id", "review_id", "rating", "paid", "listed"])
    table = table.drop_duplicates(["user_id", "review_id"])
    table["rating"] = pd.to_numeric(table["rating"].replace("|", None))
    table = table.astype({"paid": float, "listed": float})
    table["discount"] = (1 - table["paid"] / table["listed"]) * 100
    features = table.groupby("user_id")[["rating", "discount", "paid"]].mean()
    features["total_reviews"] = table.groupby("user_id").size()
    features["engagement_score"] = features["total_reviews"] * features["rating"]
    return features.fillna(features.mean())


@pytest.mark.real_data
def test_nothing_of_the_real_export_is_in_the_sample() -> None:
    folder = os.environ.get("AMZSEG_REAL_DATA")
    if not folder or not (Path(folder) / "amazon.csv").exists():
        pytest.skip("AMZSEG_REAL_DATA names no folder that holds amazon.csv")
    real = records_of(Path(folder) / "amazon.csv")
    for column in ("product_id", "product_name", "about_product", "user_name", "review_content", "product_link"):
        assert {record[column] for record in real}.isdisjoint(record[column] for record in SAMPLE_RECORDS), column
    for column in ("user_id", "review_id"):
        theirs = {one for record in real for one in record[column].split(",")}
        assert theirs.isdisjoint(one for record in SAMPLE_RECORDS for one in record[column].split(",") if one), column
