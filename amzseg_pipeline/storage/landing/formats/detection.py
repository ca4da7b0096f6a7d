"""Every format that is read, and which of them a file is.

No format is described here.
"""

from pathlib import Path

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.landing.formats.amazon_2018 import ITEMS_2018, REVIEWS_2018
from amzseg_pipeline.storage.landing.formats.amazon_2023 import (
    ITEMS_2023,
    ITEMS_2023_PARQUET,
    REVIEWS_2023,
    REVIEWS_2023_PARQUET,
)
from amzseg_pipeline.storage.landing.formats.amazon_sales import SALES_CSV
from amzseg_pipeline.storage.landing.formats.canonical import CANONICAL_CSV, CANONICAL_PARQUET
from amzseg_pipeline.storage.landing.formats.export_format import InPlaceFormat, ParsedFormat
from amzseg_pipeline.storage.landing.scan.file_head import head_of

FORMATS: tuple[ParsedFormat | InPlaceFormat, ...] = (
    SALES_CSV,
    REVIEWS_2018,
    ITEMS_2018,
    REVIEWS_2023,
    ITEMS_2023,
    REVIEWS_2023_PARQUET,
    ITEMS_2023_PARQUET,
    CANONICAL_CSV,
    CANONICAL_PARQUET,
)

FORMAT_BY_NAME = {export_format.name: export_format for export_format in FORMATS}


def format_of(path: Path, settings: Settings) -> ParsedFormat | InPlaceFormat:
    """The format of the export at `path`, told by its content. RefusedInput where there is none."""
    head = head_of(path, settings)
    candidates = [export_format for export_format in FORMATS if export_format.medium == head.medium]
    for names in head.names:
        for export_format in candidates:
            if not export_format.mismatch(names):
                return export_format
    mismatches = (f"{candidate.name}: {candidate.mismatch(head.names[0])}" for candidate in candidates)
    raise RefusedInput(f"it is {head.medium} of no known format ({'; '.join(mismatches)}); {_FIX}")


_FIX = "deliver it with the original names, or in the canonical form (docs/exports.md)."
