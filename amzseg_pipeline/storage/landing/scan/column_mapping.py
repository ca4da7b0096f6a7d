"""`<name>.columns.toml` next to an export, or `columns.toml` for its folder.

It says which column is which canonical column, and what cannot be detected; for a known format, the latter only.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.storage.landing.guards.text import refuse_unreadable

MAPPING_SUFFIX = ".columns.toml"
FOLDER_MAPPING = "columns.toml"

_Name = Annotated[str, Field(min_length=1)]


class MappedColumns(BaseModel):
    """Canonical column -> column of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    user_id: _Name
    item_id: _Name
    rating: _Name
    paid_price: _Name | None = None
    currency: _Name | None = None
    review_id: _Name | None = None
    list_price: _Name | None = None
    discount_percent: _Name | None = None
    rating_count: _Name | None = None
    category: _Name | None = None
    reviewed_at: _Name | None = None


class ColumnMapping(BaseModel):
    """A mapping file. Empty settings are detected; without `columns`, the format is, too."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    columns: MappedColumns | None = None
    currency: Annotated[str, Field(pattern="^([A-Z]{3})?$")] = ""
    time_unit: Literal["", "seconds", "milliseconds", "microseconds", "nanoseconds"] = ""
    date_format: str = ""
    decimal: Literal["", ".", ","] = ""
    delimiter: Literal["", ",", ";", "\t", "|"] = ""

    @property
    def names(self) -> dict[str, str]:
        """Canonical column -> column of the file, for those that are mapped."""
        columns = self.columns.model_dump() if self.columns else {}
        return {name: column for name, column in columns.items() if column}


def mapping_file(export: Path) -> Path | None:
    """The mapping file of the export at this path, None without one."""
    for candidate in (export.with_name(export.name + MAPPING_SUFFIX), export.with_name(FOLDER_MAPPING)):
        if candidate.is_file():
            return candidate
    return None


def column_mapping(export: Path) -> ColumnMapping | None:
    """The mapping of the export at this path, None without a file. RefusedInput where the file is not one."""
    path = mapping_file(export)
    if path is None:
        return None
    with refuse_unreadable():
        content = path.read_bytes()
    try:
        return ColumnMapping.model_validate(tomllib.loads(content.decode()))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RefusedInput(f"{path.name} is not TOML ({error}); correct it.") from error
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()[:5])
        raise RefusedInput(f"{path.name}: {problems}; see docs/exports.md.") from error
