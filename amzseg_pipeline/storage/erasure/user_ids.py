"""The ids under which a user may be stored: one normalisation for all comparisons, and pseudonyms by key.

The pipeline stores ids exactly as exports have them. Erasure and pseudonyms compare them as steps.pseudonyms says.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from amzseg_pipeline.contracts.errors import ErasureError
from amzseg_pipeline.steps.pseudonyms import UserKey, normalized_id
from amzseg_pipeline.storage.fs.object_store import footer, parquet_file
from amzseg_pipeline.storage.snapshots import Snapshot

USER_COLUMN = "user_id"
MAX_ID_BYTES = 4096


@dataclass(frozen=True)
class UserIds:
    """The normalised id of a user, and the pseudonyms by id of the key."""

    given: str
    pseudonyms: dict[str, str]

    def stored_as(self, key_id: str | None) -> str:
        """The normalised id of the user in tables that were made with this key."""
        return self.given if key_id is None else self.pseudonyms[key_id]

    @property
    def all(self) -> frozenset[str]:
        """The id and all pseudonyms."""
        return frozenset((self.given, *self.pseudonyms.values()))


def user_ids(text: str, *, keys: Sequence[UserKey]) -> UserIds:
    """The ids of the user whose id is `text` in the source. ErasureError where it is empty, too long or not Unicode."""
    given = normalized_id(text)
    try:
        is_id = 0 < len(given.encode()) <= MAX_ID_BYTES
    except UnicodeEncodeError:
        is_id = False
    if not is_id:
        raise ErasureError("erase: give the id of one user, as in the exports.")
    return UserIds(given, {key.id: key.pseudonym(given) for key in keys})


def normalized(ids: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """normalized_id of every id."""
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
    wanted = frozenset((ids.stored_as(snapshot.user_key_id),))
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
