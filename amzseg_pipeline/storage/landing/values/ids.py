"""Ids: those that a spreadsheet or a data frame rounded are refused, because they merge different users or items."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from amzseg_pipeline.storage.landing.scan.export import Export
from amzseg_pipeline.storage.landing.values.column import Examples, refuse

_FIX = "format the column as text before exporting, so that every digit is kept"
_SCIENTIFIC = r"^[0-9](?:[.,][0-9]+[eE]|[eE]\+)[+]?[0-9]{1,3}$"
"""`2.02400E+14`, `2,024E+14` and `2.024E14`; `5E14` alone may be an id of hexadecimal digits."""

_FLOAT = r"^([0-9]+)\.0+$"
_LONG_FLOAT = r"^[0-9]{16,}\.0+$"


def check_ids(rows: pa.Table | pa.RecordBatch, names: Mapping[str, str]) -> None:
    """RefusedInput where ids of the rows are in scientific notation; `names` has the columns' names in the file."""
    for column, name in names.items():
        found = Examples()
        found.add(_matching(rows[column], _SCIENTIFIC))
        _check_scientific(found, name)


class IdStyle:
    """A column of ids, unchanged, except for those that a data frame wrote as decimal numbers."""

    def __init__(self) -> None:
        self._found = {pattern: Examples() for pattern in (_SCIENTIFIC, _FLOAT, _LONG_FLOAT)}

    def add(self, texts: pa.Array) -> None:
        for pattern, examples in self._found.items():
            examples.add(_matching(texts, pattern))

    def decide(self, name: str, export: Export) -> None:
        _check_scientific(self._found[_SCIENTIFIC], name)
        if self._found[_LONG_FLOAT].count:
            raise refuse(name, f"ids as decimal numbers lost digits, such as {self._found[_LONG_FLOAT]}", _FIX)
        if self._found[_FLOAT].count:
            export.assume(f"{name} has ids as decimal numbers, such as {self._found[_FLOAT]}, read without .0")

    def rewritten(self, texts: pa.Array) -> pa.Array:
        return pc.replace_substring_regex(texts, _FLOAT, r"\1") if self._found[_FLOAT].count else texts


def _matching(ids: pa.Array, pattern: str) -> pa.Array:
    numeric = ids.filter(pc.less(ids, ":"))  # those that begin with a digit, or with less: a tenth of the time
    return numeric.filter(pc.match_substring_regex(numeric, pattern))


def _check_scientific(found: Examples, name: str) -> None:
    if found.count:
        raise refuse(name, f"ids in scientific notation merge different ids, such as {found}", _FIX)
