"""Every value in a file as its format decodes it, with no code of the package: an independent check of erasures."""

import gzip
import json
import re
import sqlite3
import unicodedata
from collections.abc import Iterator
from contextlib import closing, suppress
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from PIL import Image


def decoded_values(root: Path, *, without: Path) -> set[str]:
    """All values in files below `root`, except below `without`; without outer white space and in normal form C."""
    paths = (path for path in sorted(root.rglob("*")) if path.is_file() and not path.is_relative_to(without))
    return {normalised(value) for path in paths for value in (path.name, *_values(path))}


def normalised(text: str) -> str:
    """A text without outer white space, in normal form C."""
    return unicodedata.normalize("NFC", text.strip())


def _values(path: Path) -> Iterator[str]:
    content = path.read_bytes()
    if content.startswith(b"PAR1"):
        yield from _strings(pq.ParquetFile(path).read().to_pylist())
        metadata = pq.read_metadata(path)
        for group in range(metadata.num_row_groups):
            for column in range(metadata.num_columns):
                statistics = metadata.row_group(group).column(column).statistics
                if statistics is not None and statistics.has_min_max:
                    yield from _strings([statistics.min, statistics.max])
    elif content.startswith(b"SQLite format 3\0"):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (table,) in tables:
                yield from _strings([list(row) for row in database.execute(f'SELECT * FROM "{table}"')])
    elif content.startswith(b"\x89PNG"):
        with Image.open(path) as image:
            yield from _strings(dict(image.text))  # type: ignore[attr-defined]
    else:
        if content.startswith(b"\x1f\x8b"):
            content = gzip.decompress(content)
        yield from _texts(content.decode("utf-8", "replace"))


def _texts(text: str) -> Iterator[str]:
    """The strings of JSON, the text and attributes of HTML, and the cells of other text."""
    try:
        yield from _strings(json.loads(text))
    except ValueError:
        if text.lstrip().startswith("<"):
            parser = _HtmlTexts()
            parser.feed(text)
            yield from parser.texts
        else:
            yield from re.split(r"[\n\r,;\t]", text)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
        if value[:1] in ("{", "["):
            with suppress(ValueError):
                yield from _strings(json.loads(value))
    elif isinstance(value, bytes):
        yield value.decode("utf-8", "replace")
    elif isinstance(value, dict):
        for key, each in value.items():
            yield str(key)
            yield from _strings(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _strings(each)


class _HtmlTexts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self.texts += [value for _, value in attrs if value]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
