"""Generates the bundled sample export: synthetic data with the format and the data errors of the Amazon Sales Dataset.

    python data/make_sample_amazon.py [output path]

Nothing comes from a real export: products, people, texts and ids are drawn with a fixed seed from the lists below,
and links use reserved `.example` domains. The same code generates the same bytes.

A record is a product listing of 16 columns; `user_id` and `review_id` are comma-joined lists of up to 8 reviewers. The
lists of names, titles and contents contain commas and line breaks and do not align with them. The rating is that of
the listing. There are three groups of buyers: loyal (5 to 20 reviews, half of them of expensive products), deal
seekers (mostly 1, at most 4, of cheap products at 50% to 80% off) and casual buyers (mostly 1, at most 3, at 5% to
35% off). Each group buys some products of every price range, so the groups overlap.

Content of the file; the tests count it:

      378  listings
      368  product ids
    1,216  users
      401  users with more than one review
      140  users with 5 reviews or more
    2,738  reviews, by distinct (user_id, review_id)
      192  repetitions of a review in another listing
      112  review ids under several product ids, which are variants
       10  product ids in two listings, whose links differ
        4  of them differ in rating_count
        2  of them differ in discounted_price
        1  listing whose rating is `|`
        5  users who have no other rating
        2  listings whose rating_count is empty
        1  listing with a review id missing, so that its lists differ in length
        2  reviewers with an empty user id
       14  listings whose user_name does not align
       53  listings whose review_title does not align
      303  listings whose review_content does not align
       58  listings with a line break in a field
       86  listings with a quote in a field
        2  cells that begin with =
        2  cells that begin with +
        2  cells that begin with -
        2  cells that begin with @
        9  rating counts in Indian grouping, as 1,79,691
        1  price in Indian grouping, as ₹1,39,900
        3  prices with paise

Over 250 lines: most of them are the lists of products and words.

Over 250 lines: half of them are word lists.
"""

import argparse
import csv
import io
import math
import random
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

SEED = 6
OUTPUT = Path(__file__).parent / "landing" / "sample_amazon.csv"

COLUMNS = (
    *("product_id", "product_name", "category", "discounted_price", "actual_price", "discount_percentage", "rating"),
    *("rating_count", "about_product", "user_id", "user_name", "review_id", "review_title", "review_content"),
    *("img_link", "product_link"),
)

_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_BASE36 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_REVIEWERS_PER_LISTING = 8


@dataclass(frozen=True)
class _Buyers:
    """A group of buyers: their number, the number of reviews of each (with weights), and what they buy."""

    users: int
    reviews: range
    review_weights: tuple[int, ...]
    shelf_weights: tuple[int, ...]


_BUYERS = (
    _Buyers(140, range(5, 21), (8, 12, 14, 14, 12, 10, 8, 6, 5, 4, 3, 2, 2, 1, 1, 1), shelf_weights=(50, 30, 20)),
    _Buyers(520, range(1, 5), (70, 20, 7, 3), shelf_weights=(1, 9, 90)),
    _Buyers(560, range(1, 4), (80, 15, 5), shelf_weights=(3, 89, 8)),
)
"""Loyal buyers, deal seekers, casual buyers. `shelf_weights` are in the order of `_SHELVES`."""


@dataclass(frozen=True)
class _Shelf:
    """Products of one price range. Prices paid are log-normal, discounts triangular, ratings normal."""

    median_paid: float
    paid_range: tuple[int, int]
    discount_percent: tuple[int, int, int]
    rating: tuple[float, float]
    products: dict[str, str]


_EXPENSIVE = {
    '108 cm (43") 4K Smart TV': "Electronics|HomeTheatre,TV&Video|Televisions|SmartTelevisions",
    '14" Laptop, 8 GB, 512 GB SSD': "Computers&Accessories|Laptops",
    "5G Smartphone (6 GB RAM, 128 GB)": "Electronics|Mobiles&Accessories|Smartphones",
    "Front Load Washing Machine, 7 kg": "Home&Kitchen|LargeAppliances|Laundry|WashingMachines|FrontLoad",
    "Noise Cancelling Headphones": "Electronics|Headphones&Accessories|Headphones|OverEar",
}
_MEDIUM = {
    "Mixer Grinder, 500 W, 3 Jars": "Home&Kitchen|Kitchen&HomeAppliances|SmallAppliances|MixerGrinders",
    "Electric Kettle (1.5 L)": "Home&Kitchen|Kitchen&HomeAppliances|SmallAppliances|Kettles|Electric",
    "Wireless Keyboard & Mouse": "Computers&Accessories|Peripherals|Keyboards,Mice&InputDevices|Sets",
    "Wi-Fi Router, Dual Band": "Computers&Accessories|NetworkingDevices|Routers",
    "Gel Pens, Pack of 100": "OfficeProducts|OfficeSupplies|Paper|Stationery|Pens,Pencils|Refills|GelPens",
    "Condenser Microphone": "MusicalInstruments|Microphones|Condenser",
}
_CHEAP = {
    "Type-C Cable, 1.5 m": "Computers&Accessories|Peripherals|Cables&Adapters|Cables|USBCables",
    "Tempered Glass – Pack of 2": "Electronics|Mobiles&Accessories|Accessories|Maintenance|ScreenProtectors",
    "LED Strip (5 m, USB)": "Home&Kitchen|HomeDecor|Lighting|IndoorLighting|Decorative|Strips|LEDStrips",
    "Earbuds with Mic": "Electronics|Headphones&Accessories|Headphones|InEar",
    "Kitchen Scale, 10 kg": "Home&Kitchen|Kitchen&Dining|KitchenTools|KitchenScales|Digital|Portable",
    "Camera Lens Cloth": "Electronics|Cameras&Photography|Accessories|Cleaners",
}
_SHELVES = (
    _Shelf(8_500, paid_range=(2_999, 44_990), discount_percent=(8, 60, 30), rating=(4.25, 0.20), products=_EXPENSIVE),
    _Shelf(1_450, paid_range=(249, 5_990), discount_percent=(0, 42, 20), rating=(4.15, 0.25), products=_MEDIUM),
    _Shelf(340, paid_range=(79, 1_499), discount_percent=(46, 86, 66), rating=(4.0, 0.30), products=_CHEAP),
)
_PAID_SPREAD = 0.5

_BRANDS = ("Veltora", "Kudavi", "Orlumo", "Zantrik", "Pelvane", "Maruvo", "Tindral", "Quessa", "Hobrin", "Nalvik")
_COLOURS = ("Black", "White", "Blue", "Grey", "Rose", "Green", "Silver", "Red")
_ABOUT = (
    *("Quick set-up, no tools|1 year warranty", "Light and sturdy|Made for daily use, at home or at work"),
    *("Saves energy|Keeps cool – even after hours", "Tested 10,000 times|Box holds unit, manual, cable"),
)
_NAMES = (
    *("Asha", "Ravi", "Meena", "Arjun", "Kiran", "Divya", "Nikhil", "Pooja", "Sanjay", "Leela", "Tarun", "Farah"),
    *("Imran", "Gita R", "Joseph K", "Maya D", "Om P", "Neha S", "Dev", "Zoya"),
)
_SPLITTING_NAMES = ("S., Ramesh", "Rao, Lalita")
_TITLES = ("Good", "Nice", "Value for money", "Just ok", "Superb 👍", "Does the job", "Five stars!", "Not bad")
_SPLITTING_TITLES = ("Good, but pricey", "Worth it, really", 'As "promised"', "Good\nproduct")
_CONTENTS = (
    *("Works well", "Good quality, fast delivery", "Nice product", "Fine for the price", "Happy with it ❤"),
    *("Sturdy", "Could be better, still ok", "Good so far", "As shown", "NA", "Very useful"),
)
_SPLITTING_CONTENTS = ("Works.\nNo complaints, yet", 'The "pro" one, I think, is better')

_VARIANTS = 14
_REPEATS = 10
_REPEATS_WITH_OTHER_COUNT = 4
_REPEATS_WITH_OTHER_PRICE = 2
_NO_RATING_COUNT = 2
_PRICES_WITH_PAISE = 3
_FLAGSHIP_PAID_AND_LISTED = (59_990, 104_900)
_UNEQUAL_LISTS = 1
_EMPTY_USERS = 2
_FORMULA_STARTS = (("review_title", "="), ("review_content", "+"), ("about_product", "-"), ("user_name", "@"))
_CELLS_PER_FORMULA_START = 2


def sample_rows(seed: int = SEED) -> list[dict[str, str]]:
    """The listings of the sample, data errors included, in the order of the file."""
    rng = random.Random(seed)
    people = [
        (buyers, _user_id(rng), _text(rng, _NAMES, _SPLITTING_NAMES, 0.004))
        for buyers in _BUYERS
        for _ in range(buyers.users)
    ]
    rng.shuffle(people)
    purchases: list[list[tuple[str, str]]] = [[] for _ in _SHELVES]
    for buyers, user_id, user_name in people:
        reviews = rng.choices(buyers.reviews, buyers.review_weights)[0]
        for shelf in rng.choices(range(len(_SHELVES)), buyers.shelf_weights, k=reviews):
            purchases[shelf].append((user_id, user_name))
    listings = [
        _listing(rng, shelf, reviewers)
        for shelf, bought in zip(_SHELVES, purchases, strict=True)
        for reviewers in _reviewers_of_listings(rng, bought)
    ]
    rows = _rows_with_errors(rng, listings)
    rng.shuffle(rows)
    return rows


def csv_bytes(rows: list[dict[str, str]]) -> bytes:
    """The rows as CSV: UTF-8, line feeds, quotes only where a field needs them."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _reviewers_of_listings(rng: random.Random, purchases: list[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    """Distributes purchases to listings of up to 8 reviewers, so that those of one user go to different listings."""
    sizes: list[int] = []
    while sum(sizes) < len(purchases):
        sizes.append(_REVIEWERS_PER_LISTING if rng.random() < 0.93 else rng.randrange(1, _REVIEWERS_PER_LISTING))
    seats = [listing for seat in range(_REVIEWERS_PER_LISTING) for listing, size in enumerate(sizes) if size > seat]
    listings: list[list[tuple[str, str]]] = [[] for _ in sizes]
    for listing, purchase in zip(seats, purchases, strict=False):
        listings[listing].append(purchase)
    return listings


def _listing(rng: random.Random, shelf: _Shelf, reviewers: list[tuple[str, str]]) -> dict[str, str]:
    """A clean listing. One in 25 has a low rating; one in 10 writes a round rating without the zero, as `4`."""
    product, category = rng.choice(list(shelf.products.items()))
    wanted = shelf.median_paid * math.exp(rng.gauss(0, _PAID_SPREAD))
    low, high = shelf.paid_range
    paid = min(max(round(wanted / 10) * 10 - 1, low), high)
    lowest, highest, usual = shelf.discount_percent
    listed = max(round(paid / (1 - rng.triangular(lowest, highest, usual) / 100) / 10) * 10 - 1, paid)
    tail = rng.uniform(-1.6, -0.6) if rng.random() < 0.04 else 0.0
    rating = min(max(rng.gauss(*shelf.rating) + tail, 1), 5)
    row = {
        "product_name": f"{rng.choice(_BRANDS)} {product}, {rng.choice(_COLOURS)}",
        "category": category,
        **_prices(paid, listed),
        "rating": f"{rating:.1f}" if rng.random() < 0.9 else f"{round(rating, 1):g}",
        "rating_count": _grouped(max(2, round(5_000 * math.exp(rng.gauss(0, 1.5))))),
        "about_product": rng.choice(_ABOUT),
        "user_id": ",".join(user_id for user_id, _ in reviewers),
        "user_name": ",".join(user_name for _, user_name in reviewers),
        "review_id": ",".join(_review_id(rng) for _ in reviewers),
        "review_title": ",".join(_text(rng, _TITLES, _SPLITTING_TITLES, 0.04) for _ in reviewers),
        "review_content": ",".join(_text(rng, _CONTENTS, _SPLITTING_CONTENTS, 0.02) for _ in reviewers),
    }
    return row | _identity(rng)


def _rows_with_errors(rng: random.Random, listings: list[dict[str, str]]) -> list[dict[str, str]]:
    """Listings with data errors, at most one in each, followed by variants and repeated listings."""
    rows = [dict(listing) for listing in listings]
    highest_listed = max(rows, key=lambda row: _number(row["actual_price"]))
    highest_listed |= _prices(*_FLAGSHIP_PAID_AND_LISTED)
    full = [row for row in rows if row["user_id"].count(",") + 1 == _REVIEWERS_PER_LISTING]
    clean = iter(rng.sample([row for row in full if row["discount_percentage"] != "0%"], len(rows) // 2))
    next(clean)["rating"] = "|"
    for row in islice(clean, _NO_RATING_COUNT):
        row["rating_count"] = ""
    for row, (column, start) in zip(clean, _FORMULA_STARTS * _CELLS_PER_FORMULA_START, strict=False):
        row[column] = start + row[column]
    for row in islice(clean, _PRICES_WITH_PAISE):
        row["discounted_price"] += ".50"
    for row in islice(clean, _UNEQUAL_LISTS):
        row["review_id"] = row["review_id"].rpartition(",")[0]
    for row in islice(clean, _EMPTY_USERS):
        row["user_id"] = "," + row["user_id"].partition(",")[2]
    variants = [row | _identity(rng) for row in islice(clean, _VARIANTS)]
    repeats = [row | _links(rng, row["product_id"]) for row in islice(clean, _REPEATS)]
    for row in repeats[:_REPEATS_WITH_OTHER_COUNT]:
        row["rating_count"] = _grouped(_number(row["rating_count"]) + 1)
    for row in repeats[-_REPEATS_WITH_OTHER_PRICE:]:
        row |= _prices(_number(row["discounted_price"]) - 10, _number(row["actual_price"]))
    return rows + variants + repeats


def _identity(rng: random.Random) -> dict[str, str]:
    product_id = "B0" + "".join(rng.choices(_BASE36, k=8))
    return {"product_id": product_id} | _links(rng, product_id)


def _links(rng: random.Random, product_id: str) -> dict[str, str]:
    image = "".join(rng.choices(_BASE36, k=8))
    return {
        "img_link": f"https://images.example/I/{image}.jpg",
        "product_link": f"https://shop.example/dp/{product_id}/ref=sr_1_{rng.randrange(1, 500)}",
    }


def _prices(paid: int, listed: int) -> dict[str, str]:
    return {
        "discounted_price": f"₹{_grouped(paid)}",
        "actual_price": f"₹{_grouped(listed)}",
        "discount_percentage": f"{(1 - paid / listed) * 100:.0f}%",
    }


def _user_id(rng: random.Random) -> str:
    return "A" + rng.choice("EFGH") + "".join(rng.choices(_BASE32, k=26))


def _text(rng: random.Random, plain: tuple[str, ...], splitting: tuple[str, ...], share: float) -> str:
    return rng.choice(splitting if rng.random() < share else plain)


def _review_id(rng: random.Random) -> str:
    return "R" + "".join(rng.choices(_BASE36, k=13 if rng.random() < 0.75 else 12))


def _grouped(number: int) -> str:
    """Indian digit grouping: the last three digits, then pairs, as in 1,79,691."""
    head, tail = str(number)[:-3], str(number)[-3:]
    pairs = [head[max(end - 2, 0) : end] for end in range(len(head), 0, -2)]
    return ",".join([*reversed(pairs), tail])


def _number(text: str) -> int:
    return int(text.removeprefix("₹").replace(",", ""))


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description="Generates the bundled sample export.")
    arguments.add_argument("output", nargs="?", type=Path, default=OUTPUT)
    output: Path = arguments.parse_args().output
    output.write_bytes(csv_bytes(sample_rows()))
    print(f"{output}: {output.stat().st_size:,} bytes")
