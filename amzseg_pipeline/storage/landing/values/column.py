"""The interface of column styles: collect what a column holds, decide once, then rewrite its cells."""

from collections.abc import Callable
from typing import Protocol

import pyarrow as pa

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.storage.landing.scan.export import Export

MAX_EXAMPLES = 3

MIN_UNREADABLE = 20
"""A column of at least this many values, none of which can be read, is refused; fewer are counted as unreadable."""

_MAX_CHARACTERS = 40


class ColumnStyle(Protocol):
    """How the cells of one column are written."""

    def add(self, texts: pa.Array) -> None:
        """Collects a block of the column."""

    def decide(self, name: str, export: Export) -> None:
        """Decides the style of the column `name`; adds what is assumed. RefusedInput where it is not certain."""

    def rewritten(self, texts: pa.Array) -> pa.Array:
        """The cells as raw_reviews writes them. Cells that cannot be read stay unreadable."""


class Examples:
    """The first few distinct values of a type, for messages."""

    def __init__(self) -> None:
        self.count = 0
        self._values: dict[str, None] = {}

    def add(self, texts: pa.Array) -> None:
        """Counts the texts and keeps the first of them."""
        self.count += len(texts)
        if len(self._values) < MAX_EXAMPLES:
            for text in texts.slice(0, 1000).to_pylist():
                if len(self._values) < MAX_EXAMPLES:
                    self._values.setdefault(text)

    def __str__(self) -> str:
        return quoted(self._values)


def mapped(column: pa.Array, function: Callable[[str], str]) -> pa.Array:
    """The texts as `function` rewrites them; called once for each distinct text."""
    unique = column.dictionary_encode()
    return pa.array(map(function, unique.dictionary.to_pylist()), pa.string()).take(unique.indices)


def quoted(values: object) -> str:
    """Up to three values as they are in the file."""
    texts = [str(value) for value in values][:MAX_EXAMPLES]  # type: ignore[attr-defined]
    shortened = (text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]}…" for text in texts)
    return ", ".join(map(repr, shortened))


def refuse(name: str, problem: str, fix: str) -> RefusedInput:
    """The refusal of a column: its name, the rule, up to three values, and the fix."""
    return RefusedInput(f"column {name}: {problem}; {fix}.")
