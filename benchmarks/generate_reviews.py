"""Writes synthetic reviews and items in the format of Amazon Reviews 2023, from a thousand rows to 571 million.

    python benchmarks/generate_reviews.py --rows 10000000 --out /data/landing
    python benchmarks/generate_reviews.py --rows 1000000 --shards 4 --format jsonl.gz --out /data/landing

Every value is a hash of the seed, the index of its row, user or item, and the name of the value. The same command
therefore gives the same rows for any number of shards, and memory grows by 8 bytes per user only. Reviews per user
follow a power law (mean 10.5; three quarters of the users have 1 to 3), items a Zipf-Mandelbrot distribution. One row
in a hundred duplicates another, one duplicate in ten with another rating. Prices are numbers, texts, 0.0, invalid or
missing. One row in 100,000 is damaged. All data is synthetic.

Over 250 lines: one self-contained script.
"""

import argparse
import gzip
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

SEED = 20230907
REVIEWS_PER_USER = 10.5
REVIEWS_PER_ITEM = 11.9
DUPLICATE_SHARE = 0.01
DAMAGED_SHARE = 1e-5

_MAX_REVIEWS = 5_000
_POWER = 1.7815
_ITEM_SHIFT = 100.0
_FIRST_MS, _LAST_MS = 865_000_000_000, 1_694_000_000_000
_CHUNK_ROWS = 500_000
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_BASE32 = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", np.uint8)
_BASE36 = np.frombuffer(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", np.uint8)
_ITEM_IDS = 36**8
_TITLES = pa.array(["Great", "Just right", "Not for me", "Five stars", "Broke in a week", 'Nice "gift"', "Ganz gut ✓"])
_SENTENCES = (
    "Bought it for my sister and she loves it.",
    "Does what it says, no more and no less.",
    "Stopped working after two weeks. I want my money back.",
    "The colour is not the one in the picture,\nbut I kept it.",
    "Perfect fit, quick delivery.",
    'My kids call it the "good one" ✓',
    "Would buy again.",
)
_TEXTS = 8_192
_MEDIAN_CHARACTERS, _SIGMA, _MAX_CHARACTERS = 111.0, 1.25, 8_000
"""Lengths of texts are log-normal, so that a line of JSON has 480 bytes on average, as in Amazon Reviews 2023."""

_CATEGORIES = pa.array(["Books", "All Beauty", "Toys & Games", "Electronics", "Home & Kitchen", "Grocery"])
_JUNK_PRICES = pa.array(["from 12.99", "—", ".a-box-inner{background-color:#fff}", ""])
_DAMAGED_LINES = pa.array(['{"rating": 5.0, "title": "cut', "null", "[1, 2]", "not json at all", '{"rating": 4.0}'])


@dataclass(frozen=True)
class Population:
    """The users and items of `rows` reviews."""

    rows: int
    seed: int = SEED

    @property
    def users(self) -> int:
        """Number of users."""
        return max(1, round(self.rows / REVIEWS_PER_USER))

    @property
    def items(self) -> int:
        """Number of items."""
        return max(10, round(self.rows / REVIEWS_PER_ITEM))

    @cached_property
    def last_slots(self) -> np.ndarray:
        """The cumulative number of reviews by user index."""
        reviews = np.arange(1, _MAX_REVIEWS + 1)
        likelihood = np.cumsum(reviews**-_POWER)
        chance = self.uniform(np.arange(self.users), "reviews of a user") * likelihood[-1]
        return np.cumsum(np.searchsorted(likelihood, chance) + 1)

    def number(self, of: np.ndarray, name: str) -> np.ndarray:
        """A pseudo-random uint64 for each integer in `of`, independent for each `name`."""
        salt = np.frombuffer(name.encode().ljust(24)[:24], np.uint64)
        key = np.array([self.seed], np.uint64)
        for word in salt:
            key = _mixed(key + _GOLDEN ^ word)
        return _mixed(of.astype(np.uint64) * _GOLDEN + key)

    def uniform(self, of: np.ndarray, name: str) -> np.ndarray:
        """A pseudo-random number in [0, 1) for each integer in `of`."""
        return (self.number(of, name) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def user_of(self, row: np.ndarray) -> np.ndarray:
        """The user of each row. Rows stride through all reviews, which spreads a user's reviews over the rows."""
        slots = int(self.last_slots[-1])
        stride = int(slots * 0.6180339887) | 1
        while np.gcd(stride, slots) != 1:
            stride += 2
        return np.searchsorted(self.last_slots, row * stride % slots, side="right")

    def item_of(self, row: np.ndarray) -> np.ndarray:
        """The item of each row; item r has a share proportional to 1 / (r + 100)."""
        chance = self.uniform(row, "item")
        rank = _ITEM_SHIFT * ((1 + self.items / _ITEM_SHIFT) ** chance - 1)
        return np.minimum(rank.astype(np.int64), self.items - 1)


def review_rows(population: Population, first_row: int, last_row: int) -> pa.Table:
    """The reviews `first_row` to `last_row` - 1 with the columns of Amazon Reviews 2023 except `images`."""
    row = np.arange(first_row, last_row, dtype=np.int64)
    is_duplicate = population.uniform(row, "copy") < DUPLICATE_SHARE
    original = np.where(is_duplicate, population.number(row, "original") % np.uint64(population.rows), row).astype(
        np.int64
    )
    item = item_ids(population.item_of(original))
    variant = item_ids(population.item_of(original) + population.items)
    has_variant = pa.array(population.uniform(original, "variant") < 0.2)
    rating = np.searchsorted([0.09, 0.14, 0.22, 0.36], population.uniform(original, "rating"), side="right") + 1.0
    differs = is_duplicate & (population.uniform(row, "other rating") < 0.1)
    age = population.uniform(original, "time")
    return pa.table(
        {
            "rating": np.where(differs, rating % 5 + 1, rating),
            "title": _drawn(_TITLES, population.number(original, "title")),
            "text": review_texts(population, original),
            "asin": pc.if_else(has_variant, variant, item),
            "parent_asin": item,
            "user_id": user_ids(population, population.user_of(original)),
            "timestamp": (_FIRST_MS + (_LAST_MS - _FIRST_MS) * age**0.3).astype(np.int64),
            "helpful_vote": np.maximum(population.uniform(row, "votes") * 40 - 37, 0).astype(np.int64),
            "verified_purchase": pa.array(population.uniform(original, "verified") < 0.9),
        }
    )


def item_rows(population: Population, first_item: int, last_item: int) -> pa.Table:
    """The items `first_item` to `last_item` - 1: id, category, title and price as text, null if unknown."""
    item = np.arange(first_item, last_item, dtype=np.int64)
    kind = population.uniform(item, "kind of price")
    amount = np.exp(population.uniform(item, "price") * 5.5 + 0.7)
    integer = pa.array(np.floor(amount * 100).astype(np.int64))
    plain = pc.divide(pc.cast(integer, pa.float64()), 100.0)
    text = pc.cast(pc.cast(integer, pa.decimal128(19, 0)), pa.string())
    dollars = pc.utf8_slice_codeunits(text, 0, -2)
    with_sign = pc.binary_join_element_wise("$", dollars, ".", pc.utf8_slice_codeunits(text, -2), "")
    price = pc.case_when(
        pc.make_struct(
            *(pa.array(flag) for flag in (kind < 0.35, kind < 0.36, kind < 0.365, kind < 0.40)),
        ),
        pa.nulls(len(item), pa.string()),
        pa.repeat("0.0", len(item)),
        _drawn(_JUNK_PRICES, population.number(item, "junk")),
        with_sign,
        pc.cast(plain, pa.string()),
    )
    return pa.table(
        {
            "main_category": _drawn(_CATEGORIES, population.number(item, "category")),
            "title": pc.binary_join_element_wise("Thing ", pc.cast(pa.array(item), pa.string()), ""),
            "price": price,
            "parent_asin": item_ids(item),
        }
    )


def review_texts(population: Population, row: np.ndarray) -> pa.Array:
    """Texts in two halves, each one of _TEXTS, so that few texts of an export are equal."""
    first, second = (_drawn(_half_texts(), population.number(row, f"text {half}")) for half in (1, 2))
    return pc.binary_join_element_wise(first, second, " ")


@cache
def _half_texts() -> pa.Array:
    """_TEXTS sequences of sentences, each of half the characters of a text."""
    draw = np.random.default_rng(SEED)
    lengths = np.minimum(draw.lognormal(np.log(_MEDIAN_CHARACTERS / 2), _SIGMA, _TEXTS), _MAX_CHARACTERS / 2)
    sentences = iter(draw.integers(len(_SENTENCES), size=int(lengths.sum() / 16) + 2 * _TEXTS).tolist())
    texts = []
    for length in lengths.astype(int).tolist():
        text = f"{len(texts)}"
        while len(text) < length:
            text = f"{text} {_SENTENCES[next(sentences)]}"
        texts.append(text[: max(length, 1)].rstrip())
    return pa.array(texts)


def user_ids(population: Population, user: np.ndarray) -> pa.Array:
    """Unique ids of 28 letters and digits, as Amazon's."""
    texts = np.empty((len(user), 28), np.uint8)
    texts[:, 0] = ord("A")
    first, second = population.number(user, "id"), population.number(user, "more of the id")
    for position in range(13):
        texts[:, 1 + position] = _BASE32[(first >> np.uint64(5 * position)).astype(np.uint8) & 31]
        texts[:, 14 + position] = _BASE32[(second >> np.uint64(5 * position)).astype(np.uint8) & 31]
    texts[:, 27] = _BASE32[(second >> np.uint64(59)).astype(np.uint8) & 31]
    return _texts(texts)


def item_ids(item: np.ndarray) -> pa.Array:
    """Unique ids of ten letters and digits that start with B0."""
    mixed = (item.astype(np.int64) % _ITEM_IDS * 61_803_398_873 + 1_234_567_891) % _ITEM_IDS
    texts = np.empty((len(item), 10), np.uint8)
    texts[:, :2] = np.frombuffer(b"B0", np.uint8)
    for position in range(8):
        mixed, digit = np.divmod(mixed, 36)
        texts[:, 9 - position] = _BASE36[digit]
    return _texts(texts)


def write(population: Population, out: Path, *, file_format: str, shards: int) -> None:
    """Writes `shards` files `Reviews_<n>` and as many `meta_<n>` to the folder `out`."""
    out.mkdir(parents=True, exist_ok=True)
    for shard in range(shards):
        for name, total in (("Reviews", population.rows), ("meta", population.items)):
            first, last = total * shard // shards, total * (shard + 1) // shards
            write_file(population, out / f"{name}_{shard:05d}.{file_format}", first, last)


def write_file(population: Population, path: Path, first: int, last: int) -> None:
    """Writes items `first` to `last` - 1 if the file name starts with `meta_`, else reviews."""
    rows_of = item_rows if path.name.startswith("meta_") else review_rows
    chunks = (rows_of(population, start, min(start + _CHUNK_ROWS, last)) for start in range(first, last, _CHUNK_ROWS))
    if path.suffix == ".parquet":
        _write_parquet(path, chunks, population)
    else:
        _write_jsonl(path, chunks, population)
    print(f"{path}: {last - first:,} rows, {path.stat().st_size:,} bytes", flush=True)


def _write_parquet(path: Path, chunks: Iterator[pa.Table], population: Population) -> None:
    """In Parquet a damaged row has no user."""
    writer = None
    for chunk in chunks:
        if "user_id" in chunk.column_names:
            users = pc.if_else(pa.array(_damaged(chunk, population)), pa.scalar(None, pa.string()), chunk["user_id"])
            chunk = chunk.set_column(chunk.column_names.index("user_id"), "user_id", users)
        writer = writer or pq.ParquetWriter(path, chunk.schema, compression="zstd")
        writer.write_table(chunk)
    if writer:
        writer.close()


def _write_jsonl(path: Path, chunks: Iterator[pa.Table], population: Population) -> None:
    """A damaged line is truncated, not an object, not JSON or without a user."""
    with path.open("wb") as raw, ExitStack() as stack:
        file: BinaryIO | gzip.GzipFile = raw
        if path.suffix == ".gz":
            file = stack.enter_context(gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=1, mtime=0, filename=""))
        for chunk in chunks:
            lines = _json_lines(chunk)
            if "user_id" in chunk.column_names:
                damage = _drawn(_DAMAGED_LINES, population.number(chunk["timestamp"].to_numpy(), "damage"))
                damaged = pa.array(_damaged(chunk, population))
                lines = pc.if_else(damaged, pc.binary_join_element_wise(damage, "", "\n"), lines)
            for part in lines.chunks if isinstance(lines, pa.ChunkedArray) else [lines]:
                offsets = np.frombuffer(part.buffers()[1], np.int32)[part.offset :]
                file.write(memoryview(part.buffers()[2])[offsets[0] : offsets[len(part)]])


def _json_lines(chunk: pa.Table) -> pa.Array:
    parts = []
    for number, name in enumerate(chunk.column_names):
        parts += [f'{", " if number else "{"}"{name}": ', _json_values(chunk[name].combine_chunks(), name)]
    images = ['"images": [], '] if "user_id" in chunk.column_names else ['"images": [], "videos": [], ']
    parts[0] = "{" + images[0] + parts[0][1:]
    return pc.binary_join_element_wise(*parts, "}\n", "")


def _json_values(values: pa.Array, name: str) -> pa.Array:
    if pa.types.is_boolean(values.type) or pa.types.is_integer(values.type):
        return pc.cast(values, pa.string())
    if pa.types.is_floating(values.type):
        return pc.binary_join_element_wise(pc.cast(pc.cast(values, pa.int64()), pa.string()), ".0", "")
    if name == "price":
        is_number = pc.match_substring_regex(values, r"^[0-9]+(?:\.[0-9]+)?$")
        return pc.fill_null(pc.if_else(is_number, values, _quoted(values)), "null")
    return _quoted(values)


def _quoted(values: pa.Array) -> pa.Array:
    """The texts as JSON strings."""
    for character, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n")):
        values = pc.replace_substring(values, character, escaped)
    return pc.binary_join_element_wise('"', values, '"', "")


def _damaged(chunk: pa.Table, population: Population) -> np.ndarray:
    return population.uniform(chunk["timestamp"].to_numpy(), "is damaged") < DAMAGED_SHARE


def _drawn(values: pa.Array, number: np.ndarray) -> pa.Array:
    return values.take(pa.array((number % np.uint64(len(values))).astype(np.int64)))


def _texts(letters: np.ndarray) -> pa.Array:
    rows, width = letters.shape
    offsets = np.arange(rows + 1, dtype=np.int32) * width
    return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(letters))


def _mixed(number: np.ndarray) -> np.ndarray:
    """The finalizer of splitmix64, a bijection of uint64."""
    number = (number ^ (number >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    number = (number ^ (number >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return number ^ (number >> np.uint64(31))


def main() -> None:
    """Writes the exports of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, required=True, help="reviews, duplicates included")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--format", choices=("parquet", "jsonl", "jsonl.gz"), default="parquet")
    parser.add_argument("--shards", type=int, default=1, help="files of reviews, and of items")
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    write(Population(options.rows, options.seed), options.out, file_format=options.format, shards=options.shards)


if __name__ == "__main__":
    main()
