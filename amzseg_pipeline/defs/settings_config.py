"""The settings as typed run config: the launchpad completes names and refuses unknown names and wrong types."""

import enum
from typing import Any, Literal, get_args, get_origin

import dagster as dg
from pydantic import Field, create_model

from amzseg_pipeline.contracts.settings import Settings


def _config_type(name: str, annotation: Any) -> Any:
    """The annotation for run config; a choice of texts becomes an enum, which the launchpad lists."""
    if get_origin(annotation) is Literal:
        return enum.Enum(f"{name}_choice", {choice: choice for choice in get_args(annotation)})
    return annotation


_fields: dict[str, Any] = {
    name: (
        _config_type(name, field.annotation) | None,
        Field(default=None, description=f"{field.description} Default: {field.default!r}."),
    )
    for name, field in Settings.model_fields.items()
}
_Generated: Any = create_model("_Generated", __base__=dg.Config, **_fields)


class SettingsConfig(_Generated):  # type: ignore[misc]
    """The settings of this run; those not given come from settings.toml and AMZSEG_* variables."""

    def overrides(self) -> dict[str, Any]:
        """The settings that were given, by name."""
        given = ((name, getattr(self, name)) for name in Settings.model_fields)
        return {
            name: value.value if isinstance(value, enum.Enum) else value for name, value in given if value is not None
        }
