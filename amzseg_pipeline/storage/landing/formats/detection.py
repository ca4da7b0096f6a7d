"""All export formats, and the detection of a file's format from its content."""

from dataclasses import replace

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.reviews import RAW_REVIEWS
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
from amzseg_pipeline.storage.landing.formats.export_format import JSON, InPlaceFormat, Match, ParsedFormat
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

_MAX_LISTED = 20
_FIX = "deliver it with the original names, or in the canonical form (docs/exports.md)."


def format_of(export: Export) -> tuple[ParsedFormat | InPlaceFormat, Export]:
    """The format of the export, detected from its names, and the export with its columns. RefusedInput for none."""
    export_format, detected = _detected(export)
    if export.mapping:
        used = {"columns", *export_format.mapping_keys, *(["delimiter"] if export.file_type == "CSV" else [])}
        for key in sorted(export.mapping.model_fields_set - used):
            export.assume(f"{key} of the mapping file is not used: {export_format.name} has no use for it")
    return export_format, detected


def _detected(export: Export) -> tuple[ParsedFormat | InPlaceFormat, Export]:
    mapped = export.mapping.names.values() if export.mapping else ()
    if export.file_type not in JSON and any(column in export.names[0] for column in mapped):
        return MAPPED_TABLE, mapped_export(export)
    if export.file_type == "CSV" and has_ratings_without_header(export.names[0]):
        return RATINGS_WITHOUT_HEADER, ratings_export(export)
    candidates = [
        export_format
        for export_format in FORMATS
        if export.file_type in export_format.file_types
        and export_format.has_header
        and export_format is not MAPPED_TABLE
    ]
    for names in export.names:
        for export_format in candidates:
            match = export_format.match(names, is_exact=_is_exact(export_format))
            if not match.problems and _is_readable(export_format, export):
                return export_format, _with_columns(export, export_format, match)
    if mapped:
        mapped_export(export)  # says which columns are not there
    raise RefusedInput(_unknown(export, candidates))


def _is_exact(export_format: ParsedFormat | InPlaceFormat) -> bool:
    """Whether the reader uses the names of the format, not those that tables have instead."""
    return (
        export_format.table is not RAW_REVIEWS
        or export_format.file_types == JSON
        or isinstance(export_format, InPlaceFormat)
    )


def _is_readable(export_format: ParsedFormat | InPlaceFormat, export: Export) -> bool:
    return not isinstance(export_format, InPlaceFormat) or (not export.is_copy and export_format.is_readable(export))


def _with_columns(export: Export, export_format: ParsedFormat | InPlaceFormat, match: Match) -> Export:
    renamed = [f"{actual} as {name}" for name, actual in match.columns.items() if actual.strip("\ufeff") != name]
    if renamed:
        export.assume(f"columns are {', '.join(renamed)}")
    matches = (export_format.match(names, is_exact=_is_exact(export_format)) for names in export.names)
    ignored = list(dict.fromkeys(name for each in matches for name in each.ignored))
    index = [name for name in ignored if not name or name.startswith(("Unnamed: ", "__index_level_"))]
    if index:
        export.assume("a column without a name is an index, and ignored")
    others = [name[:40] for name in ignored if name not in index]
    if others:
        more = f" and {len(others) - _MAX_LISTED} more" if len(others) > _MAX_LISTED else ""
        export.assume(f"{_noun(export)} ignored: {', '.join(others[:_MAX_LISTED])}{more}")
    if export.file_type == "CSV" and export.delimiter != ",":
        export.assume(f"{DELIMITERS[export.delimiter]} separate the values")
    return replace(export, columns=match.columns, has_quotes=export_format.has_quotes)


def _noun(export: Export) -> str:
    return "keys" if export.file_type in JSON else "columns"


def _unknown(export: Export, candidates: list[ParsedFormat | InPlaceFormat]) -> str:
    """Names the most likely format first, by the share of its required names that are there."""
    matches = [
        (export_format.match(export.names[0], is_exact=_is_exact(export_format)), export_format)
        for export_format in candidates
    ]
    matches.sort(key=lambda pair: (pair[0].is_foreign, pair[0].missing / pair[0].required))
    best, export_format = matches[0]
    noun = _noun(export)
    if best.missing < best.required:
        return (
            f"it is {export.file_type} and most like {export_format.name}, but: {'; '.join(best.problems)}. "
            f"Correct the {noun}; or {_FIX}"
        ) + _template(export)
    return (
        f"it is {export.file_type} of no known format: it has none of their {noun}; {_FIX} "
        f"Known formats: {', '.join(known.name for _, known in matches)}."
    ) + _template(export)


def _template(export: Export) -> str:
    if export.file_type not in MAPPED_TABLE.file_types or len(export.names[0]) < 3:
        return ""
    name = f"{export.path.name}{MAPPING_SUFFIX}"
    template = mapping_template(export.names[0])
    fill = ", with a column in place of each ?" if '"?"' in template else ""
    return f" Or say which column is which in a file {name}{fill}:\n{template}"
