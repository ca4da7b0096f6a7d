"""Object stores: data roots that are an address, `s3://bucket/prefix`, and paths there.

No tables here, and nothing is written: files.py does. A path in a store is universal-pathlib's UPath, which names and
reads things as pathlib does; one filesystem of s3fs serves all of them, in all threads.
"""

import os
import re
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import pyarrow.parquet as pq

from amzseg_pipeline.contracts.errors import SettingsError

LOCAL_VARIABLE = "AMZSEG_LOCAL"
"""Names the folder of this machine for what a store cannot hold: landing/, dagster/, the lock, unfinished files."""

_ADDRESS = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:/[0-9A-Za-z_-][0-9A-Za-z._=-]*)*)/?")
_READ_AHEAD_BYTES = 2**23


def path_at(place: Path | str) -> Path:
    """The path of a folder of this machine, absolute, or of an address `s3://bucket/prefix`.

    SettingsError where it is an address that is none of a store we know, or s3fs is not installed.
    """
    if "://" not in str(place):
        return Path(place).absolute()
    address = _ADDRESS.fullmatch(str(place))
    if address is None:
        raise SettingsError(
            f"{place}: give a folder of this machine or s3://bucket/prefix, of letters, digits and . _ - =; there are "
            "no other stores, and keys and endpoints come from the AWS_* variables."
        )
    bucket, prefix = _bucket(address[1], os.getpid()), address[2].removeprefix("/")
    return cast(Path, bucket / prefix if prefix else bucket)


def store_of(path: Path) -> Any:
    """The fsspec filesystem that `path` is in, None for a path of this machine; `path.path` is its name there."""
    return getattr(path, "fs", None)


def local_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder of this machine that belongs to a data root in a store; `data/` where the environment names none."""
    return Path(environment.get(LOCAL_VARIABLE) or "data").absolute()


def content_of(path: Path) -> bytes:
    """A file's bytes; from a store by one request, so that they are those of one moment."""
    store = store_of(path)
    if store is None:
        return path.read_bytes()
    content: bytes = store.cat_file(cast(Any, path).path, max_concurrency=1)
    return content


def is_link(path: Path) -> bool:
    """Whether `path` is a symbolic link. Stores know none, and are not asked."""
    return store_of(path) is None and path.is_symlink()


def parquet_file(path: Path) -> pq.ParquetFile:
    """The parquet file at `path`, open for reading, wherever it lies."""
    store = store_of(path)
    return pq.ParquetFile(path) if store is None else pq.ParquetFile(cast(Any, path).path, filesystem=store)


def footer(path: Path) -> pq.FileMetaData:
    """The footer of the parquet file at `path`: its rows, its schema, its groups of rows."""
    with parquet_file(path) as file:
        return file.metadata


class DuckDBReads:
    """What a DuckDB connection reads, in a store as well as on this machine.

    DuckDB asks for the state of a file many times each time it reads it. So folders are listed when their files are
    named, and the answers given from the listing: a run on the sample makes 1,071 requests instead of 2,282.
    """

    def __init__(self, connection: Any, store: Any) -> None:
        self._listed: Any = None
        if store is not None:
            self._listed = type(store)(use_listings_cache=True, default_block_size=_READ_AHEAD_BYTES)
            connection.register_filesystem(self._listed)

    def names(self, paths: Iterable[Path]) -> list[str]:
        """The files as DuckDB calls them."""
        named = list(paths)
        for folder in {cast(Any, path.parent).path for path in named if store_of(path) is not None}:
            self._listed.ls(folder, refresh=True)
        return [str(path) for path in named]


def access_errors(*others: type[Exception]) -> tuple[type[Exception], ...]:
    """What is raised where the system or a store does not let us read or write, and `others`; for `except` clauses."""
    botocore = sys.modules.get("botocore.exceptions")
    return (OSError, *others) if botocore is None else (OSError, botocore.BotoCoreError, *others)


@lru_cache
def _bucket(name: str, _process: int) -> Any:
    """Paths made of it share its filesystem, which no fork may inherit. Listings are never kept: others write too."""
    try:
        import s3fs  # noqa: F401
        from upath import UPath
    except ImportError as error:
        raise SettingsError(
            f's3://{name}: object stores need s3fs: pip install "amzseg-pipeline[s3]", or s3fs into the .venv.'
        ) from error
    bucket = UPath(f"s3://{name}", use_listings_cache=False, default_block_size=_READ_AHEAD_BYTES)
    assert bucket.fs
    return bucket
