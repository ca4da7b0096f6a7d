"""The engines that tests run on; Spark is left out, saying so, where there is no Java or no pyspark."""

import importlib.util
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.engines.open_engine import opened_engine

NEEDS_SPARK = pytest.mark.skipif(
    importlib.util.find_spec("pyspark") is None or not (shutil.which("java") or os.environ.get("JAVA_HOME")),
    reason="Spark needs Java and pyspark; one of them is not here",
)
ENGINE_TYPES = ["duckdb", pytest.param("spark", marks=NEEDS_SPARK)]


@contextmanager
def engine_of(kind: str, root: Path) -> Iterator[Engine]:
    """An engine with two threads and little memory, closed in the end."""
    engine = opened_engine(DataRoot(root), Settings(engine=kind, threads=2, memory_limit_mib=1_000))
    try:
        yield engine
    finally:
        engine.close()
