"""The samples of docs/exports.md are read as the page says."""

import re
import time
from pathlib import Path

import pytest

from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.landing.formats.detection import FORMATS, MAPPED_TABLE
from amzseg_pipeline.storage.landing.inspection import inspection_lines

PAGE = (Path(__file__).parents[3] / "docs" / "exports.md").read_text(encoding="utf-8")
SAMPLES = re.findall(r"^```\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
MAPPING = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
DETECTED = (
    "Amazon Sales Dataset CSV",
    "Amazon Reviews 2023",
    "Amazon Reviews 2023 table",
    "Amazon Reviews 2023 items",
    "Amazon Reviews 2018",
    "Amazon ratings without header",
    "Amazon ratings of products",
    "Amazon Reviews 2018 items",
    "Amazon Reviews 2014 items",
    "AWS Customer Reviews",
    "Amazon Fine Food Reviews",
    "canonical CSV",
)


@pytest.mark.parametrize(("sample", "name"), [*zip(SAMPLES, DETECTED, strict=True)], ids=DETECTED)
def test_a_sample_is_read_as_its_format(tmp_path: Path, sample: str, name: str) -> None:
    (tmp_path / "export").write_text(sample, encoding="utf-8")
    lines = inspection_lines(tmp_path / "export", Settings(), now=time.time())
    assert lines[0] == f"export: {name}"
    assert "records: 1, " in "\n".join(lines)
    assert not any(line.startswith(("rejected:", "unreadable:")) for line in lines), lines


def test_the_mapping_of_the_page_is_read(tmp_path: Path) -> None:
    [mapping] = MAPPING
    (tmp_path / "shop.csv").write_text('Customer No,Article,Stars,Amount,Order date\nC1,A1,5,"12,50",13.05.2020\n')
    (tmp_path / "columns.toml").write_text(mapping, encoding="utf-8")
    lines = inspection_lines(tmp_path / "shop.csv", Settings(), now=time.time())
    assert lines[0] == f"shop.csv: {MAPPED_TABLE.name}"
    assert {"paid_price: '12.50'", "currency: 'EUR'", "reviewed_at: '1589328000000'"} <= set(lines)


def test_each_required_name_is_on_the_page() -> None:
    names = {name for export_format in FORMATS for name in export_format.required_names}
    assert [name for name in sorted(names) if name not in PAGE] == []
