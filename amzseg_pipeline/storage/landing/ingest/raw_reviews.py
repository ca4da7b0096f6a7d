"""raw_reviews of the landing zone as it is: every batch read once, every refused file named.

No format and no check of bytes here, only the order: list, hash, read what is new, refuse, take out what is gone.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from amzseg_pipeline.contracts.errors import RefusedForNow, RefusedInput
from amzseg_pipeline.contracts.reviews import RAW_ITEMS, RAW_REVIEWS
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.pseudonyms import UserKey
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.landing.formats.detection import FORMAT_BY_NAME, FORMATS
from amzseg_pipeline.storage.landing.formats.export_format import InPlaceFormat, ParsedFormat
from amzseg_pipeline.storage.landing.guards.text import check_size
from amzseg_pipeline.storage.landing.ingest.parts import Part, delete_other_parts, kept_part, new_part, part_reader
from amzseg_pipeline.storage.landing.scan.identity import known_sha256, remember, remembered_sha256, sha256_now
from amzseg_pipeline.storage.landing.scan.listing import LandingFile, Listing, RefusedFile, SkippedFile, landing_listing
from amzseg_pipeline.storage.landing.scan.refusals import remember_refusals, remembered_refusals
from amzseg_pipeline.storage.landing.scan.sidecars import check_sidecars


@dataclass(frozen=True)
class Batch:
    """One file's content, and the part that holds its rows. `also_at` are other paths with the same bytes."""

    path: str
    also_at: tuple[str, ...]
    size_bytes: int
    modified_ns: int
    sha256: str
    format: str
    rows: int
    records: int
    read_errors: int
    currency: str | None
    part: Path
    user_key_id: str | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """What a manifest says of the batch: all but where its part lies."""
        return {name: value for name, value in asdict(self).items() if name != "part"}

    @property
    def export_format(self) -> ParsedFormat | InPlaceFormat:
        """The format of this name."""
        return FORMAT_BY_NAME[self.format]

    @property
    def is_read_in_place(self) -> bool:
        """Whether the rows are read where the export lies; with a key they are not, for its ids are no pseudonyms."""
        return isinstance(self.export_format, InPlaceFormat) and self.user_key_id is None

    @property
    def reader(self) -> str:
        """Names what decides the rows beside the bytes of the export: the format's reader and the key of users' ids."""
        return part_reader(self.export_format, self.user_key_id)


@dataclass(frozen=True)
class RawReviews:
    """The landing zone as read: its batches in the order of their paths, and the files that gave no rows."""

    batches: tuple[Batch, ...]
    left: tuple[SkippedFile, ...]
    refused: tuple[RefusedFile, ...]

    @property
    def reviews(self) -> tuple[Batch, ...]:
        """The batches of reviews."""
        return tuple(batch for batch in self.batches if batch.export_format.holds is RAW_REVIEWS)

    @property
    def items(self) -> tuple[Batch, ...]:
        """The batches of items."""
        return tuple(batch for batch in self.batches if batch.export_format.holds is RAW_ITEMS)

    @property
    def rows(self) -> int:
        """Rows of reviews."""
        return sum(batch.rows for batch in self.reviews)

    @property
    def item_rows(self) -> int:
        """Rows of items."""
        return sum(batch.rows for batch in self.items)

    @property
    def records(self) -> int:
        """Records of all batches, as the exports count them."""
        return sum(batch.records for batch in self.batches)

    @property
    def read_errors(self) -> int:
        """Rows that stand for a record that could not be read."""
        return sum(batch.read_errors for batch in self.batches)

    @property
    def user_key_id(self) -> str | None:
        """Names the key that users' ids are pseudonyms of; None where they are as the source gives them."""
        return self.batches[0].user_key_id

    @property
    def currency(self) -> str | None:
        """The one currency of all prices, those of items included; None where no price names one."""
        return next((batch.currency for batch in self.batches if batch.currency), None)


def raw_reviews(
    data_root: DataRoot, settings: Settings, *, now: float, settle: bool, user_key: UserKey | None = None
) -> RawReviews:
    """Reads what is new in the landing zone into parts; with `settle`, files too young are left for the next run.

    With a `user_key` the parts hold pseudonyms for the ids of users and reviews, and parts of another key are not used.

    RefusedInput names every file that cannot be read, and leaves the parts of earlier runs as they are. With
    `on_refused_file = "skip"` such files are reported in the result, unless nothing else is there. Files in different
    currencies are always refused: none of them is the one at fault.
    """
    listing = landing_listing(data_root.landing, now=now, settle_seconds=settings.settle_seconds if settle else None)
    if not listing.files and not listing.refused:
        raise RefusedInput(_nothing_there(data_root.landing, listing))

    errors: dict[LandingFile, RefusedInput] = {}
    copies_by_sha256 = _copies_by_sha256(data_root, listing.files, settings, errors)
    batches = []
    for sha256, identical_files in copies_by_sha256.items():
        try:
            part = _part(data_root, settings, sha256, identical_files, user_key)
        except RefusedInput as error:
            errors |= dict.fromkeys(identical_files, error)
        else:
            batches.append(_batch(sha256, identical_files, part))

    remember_refusals(data_root, (file for file, error in errors.items() if not isinstance(error, RefusedForNow)))
    refused = [*listing.refused, *(RefusedFile(file.path, str(error)) for file, error in errors.items())]
    if refused and (settings.on_refused_file == "fail" or not batches):
        raise RefusedInput(_refusals(data_root.landing, refused))
    if len({batch.currency for batch in batches} - {None}) > 1:
        raise RefusedInput(_mixed_currencies(data_root.landing, batches))
    same = [
        SkippedFile(path, f"same content as {batch.path}, read once") for batch in batches for path in batch.also_at
    ]
    raw = RawReviews(tuple(batches), tuple(sorted((*listing.left, *same))), tuple(sorted(refused)))
    if not raw.reviews:
        raise RefusedInput(_items_alone(data_root.landing, raw))
    delete_other_parts(_parts_folder(data_root), (batch.part for batch in batches))
    return raw


def known_contents(data_root: DataRoot, listing: Listing, *, without_refused: bool) -> dict[str, str | None]:
    """The sha256 of every file of `listing` by path, without opening any; None for one that was not hashed yet.

    `without_refused` leaves out the files that the last run refused for their bytes.
    """
    refused = remembered_refusals(data_root) if without_refused else frozenset()
    return known_sha256((file for file in listing.files if file not in refused), remembered_sha256(data_root))


def _parts_folder(data_root: DataRoot) -> Path:
    return data_root.warehouse / "raw_reviews"


def _copies_by_sha256(
    data_root: DataRoot, files: Iterable[LandingFile], settings: Settings, errors: dict[LandingFile, RefusedInput]
) -> dict[str, list[LandingFile]]:
    """The files by their content, in the order of the first path of each; unreadable ones are added to `errors`."""
    memory = remembered_sha256(data_root)
    sha256_by_file: dict[LandingFile, str] = {}
    for file in files:
        try:
            check_size(file, settings)
            sha256_by_file[file] = memory.get(file) or sha256_now(data_root.landing, file)
        except RefusedInput as error:
            errors[file] = error
    remember(data_root, sha256_by_file)
    identical_files: dict[str, list[LandingFile]] = {}
    for file, sha256 in sha256_by_file.items():
        identical_files.setdefault(sha256, []).append(file)
    return identical_files


def _part(
    data_root: DataRoot, settings: Settings, sha256: str, identical_files: list[LandingFile], user_key: UserKey | None
) -> Part:
    """The part of a batch, read now where it is not kept already. RefusedInput where the file is not to be trusted."""
    first = identical_files[0]
    part = kept_part(_parts_folder(data_root), sha256, user_key=user_key)
    if part is None:
        part = new_part(
            _parts_folder(data_root),
            sha256,
            landing=data_root.landing,
            file=first,
            settings=settings,
            user_key=user_key,
        )
    for copy in identical_files:
        check_sidecars(data_root.landing / copy.path, sha256=sha256, records=part.records)
    return part


def _batch(sha256: str, identical_files: list[LandingFile], part: Part) -> Batch:
    first, *others = identical_files
    return Batch(
        path=first.path,
        also_at=tuple(copy.path for copy in others),
        size_bytes=first.size_bytes,
        modified_ns=first.modified_ns,
        sha256=sha256,
        format=part.format,
        rows=part.rows,
        records=part.records,
        read_errors=part.read_errors,
        currency=part.currency,
        part=part.path,
        user_key_id=part.user_key_id,
    )


def _nothing_there(landing: Path, listing: Listing) -> str:
    formats = " or ".join(export_format.name for export_format in FORMATS)
    left = "".join(f"\n  {file.path}: {file.reason}" for file in listing.left)
    return f"{landing}: there is no export to read; put one there ({formats}) and run again." + (
        f" Left alone:{left}" if left else ""
    )


def _refusals(landing: Path, refused: list[RefusedFile]) -> str:
    lines = "".join(f"\n  {file.path}: {file.reason}" for file in sorted(refused))
    return (
        f'{landing}: files refused: {len(refused)}. Mend them or take them away, or set on_refused_file = "skip" '
        f"to go on without them.{lines}"
    )


def _items_alone(landing: Path, raw: RawReviews) -> str:
    lines = "".join(f"\n  {batch.path}: {batch.format}" for batch in raw.batches)
    return f"{landing}: there are items and no reviews; put the reviews of those items there and run again.{lines}"


def _mixed_currencies(landing: Path, batches: list[Batch]) -> str:
    lines = "".join(f"\n  {batch.path}: {batch.currency}" for batch in batches if batch.currency)
    return f"{landing}: the files are in different currencies; keep those in one, and take the others away.{lines}"
