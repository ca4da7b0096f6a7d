"""The ids under which a user may be stored: one normalisation for all comparisons, and pseudonyms by key.

The pipeline stores ids exactly as exports have them. Erasure compares them without outer white space and in Unicode
normal form C, because nobody sees these differences; upper and lower case and everything else stay different.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from amzseg_pipeline.contracts.errors import ErasureError
from amzseg_pipeline.steps.pseudonyms import UserKey
from amzseg_pipeline.storage.fs.object_store import footer, parquet_file
from amzseg_pipeline.storage.snapshots import Snapshot

USER_COLUMN = "user_id"
MAX_ID_BYTES = 4096

_WHITE_SPACE = ("", " ", "\t", "\n", "\r\n", "\u00a0")
"""White space that an export may have around an id: a pseudonym can only be found for a text that is tried."""


@dataclass(frozen=True)
class UserIds:
    """The normalised id of a user, and the pseudonyms that each key makes of its variants."""

    given: str
    pseudonyms: dict[str, frozenset[str]]

    def stored_as(self, key_id: str | None) -> frozenset[str]:
        """The normalised ids of the user in tables that were made with this key."""
        return frozenset((self.given,)) if key_id is None else self.pseudonyms[key_id]

    @property
    def all(self) -> frozenset[str]:
        """The id and all pseudonyms."""
        return frozenset((self.given,)).union(*self.pseudonyms.values())


def user_ids(text: str, *, keys: Sequence[UserKey]) -> UserIds:
    """The ids of the user whose id is `text` in the source. ErasureError where it is empty, too long or not Unicode."""
    try:
        given = normalized(pa.array([text], pa.string()))[0].as_py()
    except UnicodeEncodeError:
        given = ""
    if not given or len(given.encode()) > MAX_ID_BYTES:
        raise ErasureError("erase: give the id of one user, as in the exports.")
    variants = {text, *_variants(given)}
    return UserIds(given, {key.id: frozenset(map(key.pseudonym, variants)) for key in keys})


def normalized(ids: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Ids without outer white space, in normal form C."""
    return pc.utf8_normalize(pc.utf8_trim_whitespace(ids.cast(pa.string())), form="NFC")


def matching_ids(columns: Iterable[pa.Array | pa.ChunkedArray], wanted: frozenset[str]) -> set[str]:
    """The values of `columns`, exactly as stored, whose normalised form is in `wanted`."""
    value_set = pa.array(sorted(wanted), pa.string())
    found: set[str] = set()
    for ids in columns:
        found.update(pc.unique(ids.filter(pc.is_in(normalized(ids), value_set=value_set))).to_pylist())
    return found


def stored_ids(snapshot: Snapshot, ids: UserIds) -> set[str]:
    """The ids of the user in the tables of a snapshot, exactly as stored."""
    wanted = ids.stored_as(snapshot.user_key_id)
    paths = (snapshot.path / resource["path"] for resource in snapshot.manifest["resources"])
    return {found for path in paths if has_user_column(path) for found in matching_ids(user_columns(path), wanted)}


def has_user_column(path: Path) -> bool:
    """Whether the file is a Parquet table of users."""
    return path.suffix == ".parquet" and USER_COLUMN in footer(path).schema.names


def user_columns(path: Path) -> Iterator[pa.Array]:
    """The ids of a Parquet table, batch by batch; none if it is not a table of users."""
    with parquet_file(path) as file:
        if USER_COLUMN not in file.schema_arrow.names:
            return
        for batch in file.iter_batches(columns=[USER_COLUMN]):
            yield batch.column(0)


def _variants(given: str) -> Iterator[str]:
    for text in {given, unicodedata.normalize("NFD", given)}:
        for before in _WHITE_SPACE:
            for after in _WHITE_SPACE:
                yield f"{before}{text}{after}"
