"""All export formats, and the detection of a file's format from its content."""

from dataclasses import replace

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.storage.landing.formats.amazon_2018 import ITEMS_2014, ITEMS_2018, REVIEWS_2018
from amzseg_pipeline.storage.landing.formats.amazon_2023 import (
    ITEMS_2023,
    ITEMS_2023_PARQUET,
    REVIEWS_2023,
    REVIEWS_2023_PARQUET,
)
from amzseg_pipeline.storage.landing.formats.amazon_sales import SALES_CSV
from amzseg_pipeline.storage.landing.formats.amazon_tables import (
    RATINGS,
    RATINGS_OF_PRODUCTS,
    RATINGS_WITHOUT_HEADER,
    REVIEWS_2018_TABLE,
    REVIEWS_2023_TABLE,
    has_ratings_without_header,
    ratings_export,
)
from amzseg_pipeline.storage.landing.formats.aws_customer_reviews import AWS_CUSTOMER_REVIEWS
from amzseg_pipeline.storage.landing.formats.canonical import CANONICAL_CSV, CANONICAL_PARQUET
from amzseg_pipeline.storage.landing.formats.export_format import ExportFormat, InPlaceFormat, Match, ParsedFormat
from amzseg_pipeline.storage.landing.formats.fine_food import FINE_FOOD_REVIEWS
from amzseg_pipeline.storage.landing.formats.mapped import MAPPED_TABLE, mapped_export, mapping_template
from amzseg_pipeline.storage.landing.scan.column_mapping import MAPPING_SUFFIX
from amzseg_pipeline.storage.landing.scan.export import DELIMITERS, Export

FORMATS: tuple[ParsedFormat | InPlaceFormat, ...] = (
    SALES_CSV,
    REVIEWS_2018,
    ITEMS_2014,
    ITEMS_2018,
    REVIEWS_2023,
    ITEMS_2023,
    REVIEWS_2023_PARQUET,
    ITEMS_2023_PARQUET,
    REVIEWS_2023_TABLE,
    REVIEWS_2018_TABLE,
    RATINGS_WITHOUT_HEADER,
    RATINGS,
    RATINGS_OF_PRODUCTS,
    AWS_CUSTOMER_REVIEWS,
    FINE_FOOD_REVIEWS,
    CANONICAL_CSV,
    CANONICAL_PARQUET,
    MAPPED_TABLE,
)

FORMAT_BY_NAME = {export_format.name: export_format for export_format in FORMATS}

_FIX = "deliver it with the original names, or in the canonical form (docs/exports.md)."


def format_of(export: Export) -> tuple[ParsedFormat | InPlaceFormat, Export]:
    """The format of the export, detected from its names, and the export with its columns. RefusedInput for none."""
    if export.mapping is not None:
        return MAPPED_TABLE, mapped_export(export)
    if export.file_type == "CSV" and has_ratings_without_header(export.names[0]):
        return RATINGS_WITHOUT_HEADER, ratings_export(export)
    is_exact = export.file_type not in ("CSV", "Excel")
    candidates = [
        export_format
        for export_format in FORMATS
        if export.file_type in export_format.file_types
        and export_format.has_header
        and export_format is not MAPPED_TABLE
    ]
    for names in export.names:
        for export_format in candidates:
            match = export_format.match(names, is_exact=is_exact)
            if not match.problems and _is_readable(export_format, export):
                return export_format, _with_columns(export, export_format, match, is_exact=is_exact)
    raise RefusedInput(_unknown(export, candidates, is_exact=is_exact))


def _is_readable(export_format: ParsedFormat | InPlaceFormat, export: Export) -> bool:
    return not isinstance(export_format, InPlaceFormat) or export_format.is_readable(export)


def _with_columns(export: Export, export_format: ExportFormat, match: Match, *, is_exact: bool) -> Export:
    if not is_exact:
        renamed = [f"{actual} as {name}" for name, actual in match.columns.items() if actual.strip("\ufeff") != name]
        if renamed:
            export.assume(f"columns are {', '.join(renamed)}")
        index = [name for name in match.ignored if not name or name.startswith("Unnamed: ")]
        if index:
            export.assume("a column without a name is an index, and ignored")
        others = [name for name in match.ignored if name not in index]
        if others:
            export.assume(f"columns ignored: {', '.join(name[:40] for name in others)}")
        if export.file_type == "CSV" and export.delimiter != ",":
            export.assume(f"{DELIMITERS[export.delimiter]} separate the values")
    return replace(export, columns=match.columns, has_quotes=export_format.has_quotes)


def _unknown(export: Export, candidates: list[ParsedFormat | InPlaceFormat], *, is_exact: bool) -> str:
    """Names the most likely format first, by the share of its required names that are there."""
    matches = [(export_format.match(export.names[0], is_exact=is_exact), export_format) for export_format in candidates]
    matches.sort(key=lambda pair: (pair[0].is_foreign, pair[0].missing / pair[0].required))
    best, export_format = matches[0]
    noun = "keys" if is_exact and export.file_type != "parquet" else "columns"
    if best.missing < best.required:
        return (
            f"it is {export.file_type} and most like {export_format.name}, but: {'; '.join(best.problems)}. "
            f"Correct the {noun}; or {_FIX}"
        ) + _template(export)
    known = "; ".join(f"{known.name} ({', '.join(known.required_names)})" for _, known in matches)
    message = (
        f"it is {export.file_type} of no known format: it has none of their {noun}; {_FIX} Known formats: {known}."
    )
    return message + _template(export)


def _template(export: Export) -> str:
    if export.file_type not in MAPPED_TABLE.file_types or len(export.names[0]) < 3:
        return ""
    name = f"{export.path.name}{MAPPING_SUFFIX}"
    return f" Or say which column is which in a file {name}:\n{mapping_template(export.names[0])}"
