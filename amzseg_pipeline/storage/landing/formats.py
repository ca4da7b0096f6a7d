"""What a format of exports is: how it is recognised and how it is read.

No format is described here: each has a module of its own and an entry in parts.FORMATS.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa


@dataclass(frozen=True)
class ExportFormat:
    """A format of exports.

    `version` names the reader in the names of parts: it changes when the same bytes would give other rows. `mismatch`
    says what in the first bytes of a file is not of this format, "" if nothing. `raw_rows` gives the file's rows as
    tables with columns of RAW_REVIEWS, `row_number` among them, without gaps and never falling; it may leave out
    columns that are null, and the two that name the file. It raises nothing but RefusedInput.
    """

    name: str
    version: str
    mismatch: Callable[[bytes], str]
    raw_rows: Callable[[Path], Iterator[pa.Table]]
