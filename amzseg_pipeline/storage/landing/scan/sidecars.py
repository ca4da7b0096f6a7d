"""What the sender says a file must hold: `<name>.sha256` and `<name>.rows` beside it.

A sidecar that is not there or empty says nothing; one that does not agree means a file not delivered whole.
"""

from pathlib import Path

from amzseg_pipeline.contracts.errors import RefusedForNow
from amzseg_pipeline.storage.landing.guards.text import reading

_MAX_BYTES = 4096


def check_sidecars(path: Path, *, sha256: str, records: int) -> None:
    """RefusedForNow where the sidecars of the export at `path` do not agree with its bytes or number of records."""
    for ending, held in (("sha256", sha256), ("rows", str(records))):
        said = _said(path.with_name(f"{path.name}.{ending}"))
        if said and said != held:
            raise RefusedForNow(
                f"{path.name}.{ending} says {said[:80]!r} and the file holds {held}; deliver both again."
            )


def _said(sidecar: Path) -> str:
    """The first word of a sidecar, as sha256sum and wc write them; "" where there is none. RefusedForNow for a link."""
    if sidecar.is_symlink():
        raise RefusedForNow(f"{sidecar.name} is a link, and links beside an export are not followed; deliver a file.")
    with reading():
        if not sidecar.is_file():
            return ""
        with sidecar.open("rb") as stream:
            words = stream.read(_MAX_BYTES).decode("utf-8", "replace").split()
    return words[0].lower().replace(",", "") if words else ""
