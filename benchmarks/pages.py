"""Writes what a benchmark measured into a page of docs/, and leaves the rest of the page as it is."""

from pathlib import Path


def write_section(page: Path, heading: str, text: str) -> None:
    """Puts `text` below `heading` (a whole line, of two #) in `page`, in place of what stood there; else at the end."""
    before, found, after = page.read_text(encoding="utf-8").partition(f"{heading}\n")
    rest = "\n## " + after.partition("\n## ")[2] if found and "\n## " in after else ""
    page.write_text(f"{before.rstrip()}\n\n{heading}\n\n{text.strip()}\n{rest}", encoding="utf-8")
