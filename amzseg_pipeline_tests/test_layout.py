"""Rules of the source tree that no linter checks."""

import ast
from pathlib import Path

PROJECT = Path(__file__).parent.parent
MODULES = sorted(
    path
    for folder in ("amzseg_pipeline", "amzseg_pipeline_tests", "benchmarks", "data", "deploy")
    for path in (PROJECT / folder).rglob("*.py")
)
MAX_LINES = 250
MAX_STORAGE_ENTRIES = 10


def test_only_a_long_module_says_why_it_is_long() -> None:
    texts = {path: path.read_text() for path in MODULES}
    assert len(texts) > 100
    reasons = {path: "Over 250 lines: " in (ast.get_docstring(ast.parse(text)) or "") for path, text in texts.items()}
    long = {path: len(text.splitlines()) > MAX_LINES for path, text in texts.items()}
    assert [str(path) for path in MODULES if reasons[path] != long[path]] == []


def test_storage_has_few_entries() -> None:
    entries = [path for path in (PROJECT / "amzseg_pipeline/storage").iterdir() if not path.name.startswith("__")]
    assert 0 < len(entries) <= MAX_STORAGE_ENTRIES
