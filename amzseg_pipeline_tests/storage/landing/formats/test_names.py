"""In every format: optional names may be missing, and a misspelt name is refused with the name that is meant."""

import pytest

from amzseg_pipeline.storage.landing.formats.detection import FORMATS, MAPPED_TABLE
from amzseg_pipeline.storage.landing.formats.export_format import ExportFormat

WITH_NAMES = [each for each in FORMATS if each.has_header and each is not MAPPED_TABLE]
NAMES = [(each, name) for each in WITH_NAMES for name in (*each.required_names, *each.optional_names)]
REQUIRED = [(each, name) for each, name in NAMES if name in each.required_names]


def ids(value: object) -> str:
    return value.name if isinstance(value, ExportFormat) else str(value)


@pytest.mark.parametrize(("export_format", "name"), NAMES, ids=ids)
@pytest.mark.parametrize("is_exact", [True, False])
def test_a_misspelt_name_is_refused(export_format: ExportFormat, name: str, is_exact: bool) -> None:
    misspelt = f"{name}x"
    known = (*export_format.required_names, *export_format.optional_names)
    names = [misspelt if each == name else each for each in known]
    match = export_format.match(names, is_exact=is_exact)
    assert match.problems[0] == f"{misspelt!r} may be meant as {name!r}: rename or remove it"


@pytest.mark.parametrize("export_format", WITH_NAMES, ids=ids)
@pytest.mark.parametrize("is_exact", [True, False])
def test_optional_names_may_be_missing(export_format: ExportFormat, is_exact: bool) -> None:
    assert export_format.match(export_format.required_names, is_exact=is_exact).problems == ()
    for name in export_format.optional_names:
        others = [each for each in export_format.optional_names if each != name]
        match = export_format.match((*export_format.required_names, *others), is_exact=is_exact)
        assert (match.problems, set(match.columns)) == ((), {*export_format.required_names, *others})


@pytest.mark.parametrize(("export_format", "name"), REQUIRED, ids=ids)
def test_a_missing_required_name_is_named(export_format: ExportFormat, name: str) -> None:
    names = [each for each in (*export_format.required_names, *export_format.optional_names) if each != name]
    assert f"missing {name!r}" in export_format.match(names, is_exact=False).problems


@pytest.mark.parametrize("export_format", WITH_NAMES, ids=ids)
def test_other_names_are_ignored_and_named(export_format: ExportFormat) -> None:
    match = export_format.match((*export_format.required_names, "colour", *export_format.ignored_names), is_exact=True)
    assert (match.problems, match.ignored) == ((), ("colour",))
