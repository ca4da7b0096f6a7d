"""Requests to erase a user: files in erase_requests/ of the data root, each with one user id.

Dagster stores the config of every run, so the config of an erasure names a file instead of the user.
"""

from pathlib import Path, PurePath

from amzseg_pipeline.contracts.errors import ErasureError
from amzseg_pipeline.storage.data_root import DataRoot

_MAX_BYTES = 10_000


def erasure_request(data_root: DataRoot, file_name: str) -> tuple[Path, str]:
    """The path of a request and the user id in it, without the line end.

    Raises ErasureError if there is no such file directly in erase_requests/, or it does not hold one id.
    """
    folder = data_root.local / "erase_requests"
    if not file_name or PurePath(file_name).name != file_name or "\0" in file_name:
        raise ErasureError(f"{file_name!r}: give the name of a file in {folder}, without a path.")
    path = folder / file_name
    if not path.is_file():
        raise ErasureError(f"{path}: there is no such file; write the user's id into it.")
    if path.stat().st_size > _MAX_BYTES:
        raise ErasureError(f"{path}: larger than {_MAX_BYTES:,} bytes; write one user id into it.")
    user_id = path.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    if not user_id or "\n" in user_id:
        raise ErasureError(f"{path}: write one user id into it, on one line.")
    return path, user_id
