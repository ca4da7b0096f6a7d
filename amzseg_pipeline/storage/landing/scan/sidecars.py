"""Compares an export with the sender's sidecar files, `<name>.sha256` and `<name>.rows`.

A missing or empty sidecar is ignored. One that differs means that the delivery is incomplete.
"""

from collections.abc import Collection
from pathlib import Path

from amzseg_pipeline.contracts.errors import RefusedForNow
from amzseg_pipeline.storage.fs.atomic_writes import sha256_of
from amzseg_pipeline.storage.fs.object_store import is_link
from amzseg_pipeline.storage.landing.guards.text import refuse_unreadable
from amzseg_pipeline.storage.landing.scan.column_mapping import mapping_file

ENDINGS = ("sha256", "rows")

_MAX_BYTES = 4096


def check_sidecars(path: Path, *, sha256: str, records: int, endings: Collection[str] = ENDINGS) -> None:
    """RefusedForNow where a sidecar of the export at `path` differs from its sha256 or number of records.

    Sidecars of other `endings` are not there.
    """
    actual = {"sha256": sha256, "rows": str(records)}
    if "sha256" in endings and mapping_file(path) and path.with_name(f"{path.name}.sha256").is_file():
        actual["sha256"] = sha256_of(path)  # `sha256` is that of export and mapping
    for ending in endings:
        expected = _first_word(path.with_name(f"{path.name}.{ending}"))
        if expected and expected != actual[ending]:
            raise RefusedForNow(
                f"{path.name}.{ending} says {expected[:80]!r} but the file has {actual[ending]}; deliver both again."
            )


def _first_word(sidecar: Path) -> str:
    """The first word of a sidecar, as sha256sum and wc write it; "" where it is missing. RefusedForNow for a link."""
    if is_link(sidecar):
        raise RefusedForNow(f"{sidecar.name} is a link, and links next to an export are not followed; deliver a file.")
    with refuse_unreadable():
        if not sidecar.is_file():
            return ""
        with sidecar.open("rb") as stream:
            fields = stream.read(_MAX_BYTES).decode("utf-8", "replace").split()
    return fields[0].lower().replace(",", "") if fields else ""
