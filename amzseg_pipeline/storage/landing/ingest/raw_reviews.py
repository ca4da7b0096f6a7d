"""Reads the landing zone into raw_reviews: lists and hashes the files, and reads each new content once.

Over 250 lines: the result, the tasks that read files, and the messages for each way in which reading fails.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from amzseg_pipeline.contracts.errors import RefusedForNow, RefusedInput
from amzseg_pipeline.contracts.reviews import RAW_ITEMS, RAW_REVIEWS, RatingMeaning
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.pseudonyms import UserKey
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.fs.object_store import store_of
from amzseg_pipeline.storage.landing.formats.detection import FORMAT_BY_NAME, FORMATS
from amzseg_pipeline.storage.landing.formats.export_format import InPlaceFormat, ParsedFormat
from amzseg_pipeline.storage.landing.guards.text import NoRecords, check_size
from amzseg_pipeline.storage.landing.ingest.batch_files import (
    BatchFile,
    cached_batch_file,
    delete_other_batch_files,
    new_batch_file,
    reader_id,
    sha256_of_new_object,
)
from amzseg_pipeline.storage.landing.scan.identity import (
    check_unchanged,
    known_sha256,
    save_known_sha256,
    saved_sha256,
    sha256_now,
)
from amzseg_pipeline.storage.landing.scan.listing import (
    LandingFile,
    Listing,
    RefusedFile,
    SkippedFile,
    is_part,
    landing_listing,
    missing_shards,
)
from amzseg_pipeline.storage.landing.scan.refusals import save_refused_files, saved_refused_files
from amzseg_pipeline.storage.landing.scan.sidecars import ENDINGS, check_sidecars


@dataclass(frozen=True)
class Batch:
    """One file's content, and the Parquet file with its rows. `also_at` are other paths with the same bytes."""

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
    parquet_path: Path
    user_key_id: str | None = None
    assumptions: tuple[str, ...] = ()
    etag: str = ""

    @property
    def identity(self) -> dict[str, Any]:
        """The fields that a manifest records: all but the path of the Parquet file and the store's ETag."""
        return {name: value for name, value in asdict(self).items() if name not in ("parquet_path", "etag")}

    @property
    def export_format(self) -> ParsedFormat | InPlaceFormat:
        """The format of this name."""
        return FORMAT_BY_NAME[self.format]

    @property
    def is_read_in_place(self) -> bool:
        """Whether engines read the export itself; never with a user key, because its ids are not pseudonyms."""
        return isinstance(self.export_format, InPlaceFormat) and self.user_key_id is None

    @property
    def reader(self) -> str:
        """Identifies the reader and the user key, which determine the rows in addition to the bytes of the export."""
        return reader_id(self.export_format, self.user_key_id)


@dataclass(frozen=True)
class RawReviews:
    """The landing zone as read: batches in the order of their paths, and the files that gave no rows."""

    batches: tuple[Batch, ...]
    skipped: tuple[SkippedFile, ...]
    refused: tuple[RefusedFile, ...]

    @property
    def reviews(self) -> tuple[Batch, ...]:
        """The batches of reviews."""
        return tuple(batch for batch in self.batches if batch.export_format.table is RAW_REVIEWS)

    @property
    def items(self) -> tuple[Batch, ...]:
        """The batches of items."""
        return tuple(batch for batch in self.batches if batch.export_format.table is RAW_ITEMS)

    @property
    def rating_meaning(self) -> RatingMeaning:
        """ "product" if a batch has ratings of products, for which nothing is claimed about a user's satisfaction."""
        meanings = {batch.export_format.rating_meaning for batch in self.reviews}
        return "product" if "product" in meanings else "user"

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
        """Records of all batches."""
        return sum(batch.records for batch in self.batches)

    @property
    def read_errors(self) -> int:
        """Rows for records that could not be read."""
        return sum(batch.read_errors for batch in self.batches)

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What readers assumed, each with the path of the export, and which shards are missing."""
        read = (f"{batch.path}: {assumption}" for batch in self.batches for assumption in batch.assumptions)
        paths = (path for batch in self.batches for path in (batch.path, *batch.also_at))
        return (*read, *missing_shards([*paths, *(file.path for file in self.skipped)]))

    @property
    def user_key_id(self) -> str | None:
        """The id of the user key of the pseudonyms; None where ids are those of the source."""
        return self.batches[0].user_key_id

    @property
    def currency(self) -> str | None:
        """The one currency of all prices, including item prices; None where no price has one."""
        return next((batch.currency for batch in self.batches if batch.currency), None)


Run = Callable[[Sequence[Callable[[Settings], Any]]], Iterable[tuple[int, Any]]]
"""Calls functions anywhere, in any order, each with the settings there, and gives the position and result of each."""


def in_process(tasks: Sequence[Callable[[Settings], Any]], *, settings: Settings) -> Iterator[tuple[int, Any]]:
    """Calls the tasks in this process, one after the other."""
    for position, task in enumerate(tasks):
        yield position, task(settings)


def raw_reviews(
    data_root: DataRoot,
    settings: Settings,
    *,
    now: float,
    skip_settling: bool,
    user_key: UserKey | None = None,
    run: Run | None = None,
) -> RawReviews:
    """Reads new files of the landing zone into batch files.

    Args:
        data_root: Its landing/ is read, its warehouse/ written.
        settings: Limits, and `on_refused_file`: whether refused files fail the run or are skipped and reported.
        now: The time of the run, in seconds since 1970 UTC.
        skip_settling: Skip files younger than `settle_seconds`.
        user_key: Replaces the ids of users and reviews with pseudonyms; batch files of another key are not used.
        run: Where files are hashed and read, one task for each; in this process where it is not given.

    Raises:
        RefusedInput: It lists every file that cannot be read, and no batch file changed. Also where nothing can be
            read, and, whatever `on_refused_file` says, where files have different currencies.
    """
    listing = landing_listing(
        data_root.landing, now=now, settle_seconds=settings.settle_seconds if skip_settling else None
    )
    if not listing.files and not listing.refused:
        raise RefusedInput(_nothing_to_read(data_root.landing, listing))

    errors: dict[LandingFile, RefusedInput] = {}
    batches = []
    reading = _Reading(data_root, settings, now, user_key)
    run = run or partial(in_process, settings=settings)
    by_sha256 = _files_by_sha256(reading, listing.files, errors, run=run)
    batch_files = _batch_files(reading, by_sha256, run=run)
    for sha256, files in by_sha256.items():
        try:
            batch_file = batch_files[sha256]
            if isinstance(batch_file, RefusedInput):
                raise batch_file
            for file in files:
                endings = [ending for ending in ENDINGS if f"{file.path}.{ending}" in listing.sidecars]
                path = data_root.landing / file.path
                check_sidecars(path, sha256=sha256, records=batch_file.records, endings=endings)
        except RefusedInput as error:
            errors |= dict.fromkeys(files, error)
        else:
            batches.append(_batch(sha256, files, batch_file))

    save_refused_files(data_root, (file for file, error in errors.items() if not isinstance(error, RefusedForNow)))
    read_folders = {file.rpartition("/")[0] for batch in batches for file in (batch.path, *batch.also_at)}
    empty_parts = [
        file
        for file, error in errors.items()
        if isinstance(error, NoRecords) and is_part(file.path) and file.path.rpartition("/")[0] in read_folders
    ]
    refused = [
        *listing.refused,
        *(RefusedFile(file.path, str(error)) for file, error in errors.items() if file not in empty_parts),
    ]
    if refused and (settings.on_refused_file == "fail" or not batches):
        raise RefusedInput(_refusals(data_root.landing, refused))
    if len({batch.currency for batch in batches} - {None}) > 1:
        raise RefusedInput(_mixed_currencies(data_root.landing, batches))
    same = [
        SkippedFile(path, f"same content as {batch.path}, read once") for batch in batches for path in batch.also_at
    ]
    same += [SkippedFile(file.path, "an empty part of a folder of which others are read") for file in empty_parts]
    raw = RawReviews(tuple(batches), tuple(sorted((*listing.skipped, *same))), tuple(sorted(refused)))
    if not raw.reviews:
        raise RefusedInput(_items_only(data_root.landing, raw))
    delete_other_batch_files(_batch_files_folder(data_root), [(batch.sha256, batch.reader) for batch in batches])
    return raw


def known_contents(data_root: DataRoot, listing: Listing, *, without_refused: bool) -> dict[str, str | None]:
    """The sha256 of every file of `listing` by path, from the cache alone; None for a file that was not hashed yet.

    `without_refused` leaves out the files that the last run refused for their bytes.
    """
    refused = saved_refused_files(data_root) if without_refused else frozenset()
    files = (file for file in listing.files if file.content_key not in refused)
    return known_sha256(files, saved_sha256(data_root))


def _batch_files_folder(data_root: DataRoot) -> Path:
    return data_root.warehouse / "raw_reviews"


@dataclass(frozen=True)
class _Reading:
    """What reading a file needs, in whatever process it is read."""

    data_root: DataRoot
    settings: Settings
    now: float
    user_key: UserKey | None

    @property
    def arguments(self) -> dict[str, Any]:
        return {
            "landing": self.data_root.landing,
            "settings": self.settings,
            "now": self.now,
            "user_key": self.user_key,
        }


def _results(tasks: Sequence[Callable[[_Reading], Any]], reading: _Reading, run: Run) -> list[Any]:
    """The result of each task; a RefusedInput where it raised one, because other files are read all the same."""
    by_position = dict(run([partial(_result_or_refusal, task, reading) for task in tasks]))
    return [by_position[position] for position in range(len(tasks))]


def _result_or_refusal(task: Callable[[_Reading], Any], reading: _Reading, settings: Settings) -> Any:
    try:
        return task(replace(reading, settings=settings))
    except RefusedInput as refusal:
        return refusal


def _new_sha256(reading: _Reading, *, file: LandingFile) -> str:
    landing = reading.data_root.landing
    if store_of(landing) is None:
        return sha256_now(landing, file)
    try:
        return sha256_of_new_object(_batch_files_folder(reading.data_root), file=file, **reading.arguments)
    except RefusedForNow:
        raise
    except RefusedInput:  # refused again when its batch file is written; the schedule must know the content
        return sha256_now(landing, file)


def _files_by_sha256(
    reading: _Reading, files: Sequence[LandingFile], errors: dict[LandingFile, RefusedInput], *, run: Run
) -> dict[str, list[LandingFile]]:
    """The files by content, in the order of the first path of each; unreadable files are added to `errors`."""
    cache = saved_sha256(reading.data_root)
    new = []
    for file in files:
        try:
            check_size(file.size_bytes, reading.settings)
        except RefusedInput as error:
            errors[file] = error
        else:
            new += [] if file.content_key in cache else [file]
    found: dict[LandingFile, Any] = {}
    for group in [new] if store_of(reading.data_root.landing) is None else _groups(new):
        tasks = [partial(_new_sha256, file=file) for file in group]
        found |= zip(group, _results(tasks, reading, run), strict=True)
    errors |= {file: sha256 for file, sha256 in found.items() if isinstance(sha256, RefusedInput)}
    sha256_by_file = {file: found.get(file) or cache[file.content_key] for file in files if file not in errors}
    save_known_sha256(reading.data_root, sha256_by_file)
    files_by_sha256: dict[str, list[LandingFile]] = {}
    for file, sha256 in sha256_by_file.items():
        files_by_sha256.setdefault(sha256, []).append(file)
    return files_by_sha256


def _groups(files: Sequence[LandingFile]) -> list[list[LandingFile]]:
    """The objects in groups without the same content twice: of those, the first writes the rows for all.

    By size alone: the same bytes have another ETag after a multipart upload.
    """
    groups: list[list[LandingFile]] = []
    found: Counter[int] = Counter()
    for file in files:
        number = found[file.size_bytes]
        found[file.size_bytes] += 1
        groups += [] if number < len(groups) else [[]]
        groups[number].append(file)
    return groups


def _batch_files(
    reading: _Reading, files: Mapping[str, Sequence[LandingFile]], *, run: Run
) -> dict[str, BatchFile | RefusedInput]:
    """The batch file of each sha256, or why there is none; files are read now unless their batch file is cached."""
    folder, landing = _batch_files_folder(reading.data_root), reading.data_root.landing
    found: dict[str, BatchFile | RefusedInput] = {}
    for sha256, (first, *_) in files.items():
        if cached := cached_batch_file(folder, sha256, export=landing / first.path, user_key=reading.user_key):
            found[sha256] = cached
    new = [sha256 for sha256 in files if sha256 not in found]
    tasks = [partial(_new_batch_file, sha256=sha256, file=files[sha256][0]) for sha256 in new]
    return found | dict(zip(new, _results(tasks, reading, run), strict=True))


def _new_batch_file(reading: _Reading, *, sha256: str, file: LandingFile) -> BatchFile:
    try:
        return new_batch_file(_batch_files_folder(reading.data_root), sha256, file=file, **reading.arguments)
    except RefusedInput:
        check_unchanged(reading.data_root.landing, file)  # else the change is the reason, not what it looks like
        raise


def _batch(sha256: str, files: list[LandingFile], batch_file: BatchFile) -> Batch:
    first, *others = files
    return Batch(
        path=first.path,
        also_at=tuple(file.path for file in others),
        size_bytes=first.size_bytes,
        modified_ns=first.modified_ns,
        etag=first.etag,
        sha256=sha256,
        format=batch_file.format,
        rows=batch_file.rows,
        records=batch_file.records,
        read_errors=batch_file.read_errors,
        currency=batch_file.currency,
        parquet_path=batch_file.path,
        user_key_id=batch_file.user_key_id,
        assumptions=batch_file.assumptions,
    )


def _nothing_to_read(landing: Path, listing: Listing) -> str:
    formats = " or ".join(export_format.name for export_format in FORMATS)
    skipped = "".join(f"\n  {file.path}: {file.reason}" for file in listing.skipped)
    return f"{landing}: no export to read; put one there ({formats}) and run again." + (
        f" Skipped files:{skipped}" if skipped else ""
    )


def _refusals(landing: Path, refused: list[RefusedFile]) -> str:
    lines = "".join(f"\n  {file.path}: {file.reason}" for file in sorted(refused))
    return (
        f'{landing}: files refused: {len(refused)}. Fix or remove them, or set on_refused_file = "skip" '
        f"to continue without them.{lines}"
    )


def _items_only(landing: Path, raw: RawReviews) -> str:
    lines = "".join(f"\n  {batch.path}: {batch.format}" for batch in raw.batches)
    return f"{landing}: there is item metadata but no reviews; add the reviews of those items and run again.{lines}"


def _mixed_currencies(landing: Path, batches: list[Batch]) -> str:
    lines = "".join(f"\n  {batch.path}: {batch.currency}" for batch in batches if batch.currency)
    return f"{landing}: the files have different currencies; keep those in one currency and remove the others.{lines}"
