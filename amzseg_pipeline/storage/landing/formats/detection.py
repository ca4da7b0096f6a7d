"""All export formats, and the detection of a file's format from its content."""

from amzseg_pipeline.contracts.errors import RefusedInput
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
from amzseg_pipeline.storage.landing.scan.export import Export

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

_FIX = "deliver it with the original names, or in the canonical form (docs/exports.md)."


def format_of(export: Export) -> ParsedFormat | InPlaceFormat:
    """The format of the export, detected from its names. RefusedInput where no format matches."""
    candidates = [export_format for export_format in FORMATS if export_format.file_type == export.file_type]
    for names in export.names:
        for export_format in candidates:
            if not export_format.mismatch(names):
                return export_format
    mismatches = "; ".join(f"{candidate.name}: {candidate.mismatch(export.names[0])}" for candidate in candidates)
    raise RefusedInput(f"it is {export.file_type} of no known format ({mismatches}); {_FIX}")
