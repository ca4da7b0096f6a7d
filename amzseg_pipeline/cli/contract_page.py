"""Generates docs/contract.md, the contract with readers of snapshots, from contracts/ (`make contract`)."""

from pathlib import Path

from amzseg_pipeline.contracts.publish import (
    CONTRACT_VERSION,
    MANIFEST_FILE,
    POINTER_FILE,
    POINTER_FORMAT,
    PUBLISHED_FILES,
    PUBLISHED_TABLES,
)
from amzseg_pipeline.contracts.schema import Column, Table
from amzseg_pipeline.storage.fs.atomic_writes import atomic_write

PAGE = Path("docs/contract.md")
"""Relative to the root of the repository."""

_PARQUET_TYPES = {
    "string": "string (UTF-8)",
    "int64": "int64",
    "float64": "double",
    "bool": "boolean",
    "date": "date32",
}


def contract_page() -> str:
    """The page as Markdown."""
    return "\n\n".join((_INTRODUCTION, *(_table(table) for table in PUBLISHED_TABLES), _files(), _HOW_TO_READ)) + "\n"


_INTRODUCTION = f"""\
# Contract of the published segments, version {CONTRACT_VERSION}

Generated from `amzseg_pipeline/contracts/`; change it there and run `make contract`.

Every run that finds changes publishes a snapshot in `$AMZSEG_DATA/published/`:

```
{POINTER_FILE}                       {{"format": {POINTER_FORMAT}, "sequence", "run_id", "manifest", "sha256"}}
snapshots/<sequence>-<utc time>-<run>[.<revision>]/
    {MANIFEST_FILE}
{"".join(f"    {table.name}.parquet{chr(10)}" for table in PUBLISHED_TABLES)}\
{"".join(f"    {file_name}{chr(10)}" for file_name in PUBLISHED_FILES)}\
```

- `{POINTER_FILE}`, the pointer, names the manifest of the latest snapshot and its sha256. `{MANIFEST_FILE}`, the
  manifest, is a Frictionless Data Package: every file with its bytes, sha256, rows and columns; contract, model and
  code version, settings hash, currency and inputs.
- A snapshot never changes, and the pointer is replaced atomically: a reader sees the old or the new snapshot, never a
  mixture.
- Erasing a user replaces each kept snapshot by a new folder, the next `revision` of the same sequence, and deletes the
  old one. `erased_users` in the manifest counts the users removed.
- `read_latest()` checks the hashes. If you read without it, check them yourself: a Parquet file with a flipped byte can
  give wrong sums without an error.
- Read files by name from the folder of the manifest; never read a pattern over `snapshots/`.
- Rows are sorted by the key, which is unique. A missing value is null, never NaN. Column types are the same in every
  snapshot; only columns marked as nullable contain nulls.
- A new nullable column, table or file raises the minor version: read columns by name. Any other change raises the major
  version and is published in a separate folder.
- By default the last 30 snapshots or 20 GB are kept; the latest, and any younger than 48 hours, are always kept."""

_HOW_TO_READ = f"""\
## How to read

With this package, without loading Dagster or Streamlit:

```python
from amzseg_pipeline import read_latest

snapshot = read_latest()  # $AMZSEG_DATA, or data/; read_latest("/path/to/data")
segments = snapshot.segment_assignments()
```

Without it, in pandas:

```python
import json, pathlib, pandas
published = pathlib.Path("data/published")
manifest = published / json.loads((published / "{POINTER_FILE}").read_bytes())["manifest"]
segments = pandas.read_parquet(manifest.with_name("segment_assignments.parquet"))
```

In DuckDB:

```sql
SET VARIABLE folder = (SELECT replace(manifest, '{MANIFEST_FILE}', '') FROM 'data/published/{POINTER_FILE}');
SELECT segment_name, count(*) AS users, avg(avg_spend) AS mean_spend
FROM read_parquet('data/published/' || getvariable('folder') || 'segment_assignments.parquet')
GROUP BY segment_name ORDER BY users DESC;
```"""


def _table(table: Table) -> str:
    rows = [
        f"| `{column.name}` | {_PARQUET_TYPES[column.type]} | {column.unit or '-'} | {_range(column)} "
        f"| {'yes' if column.nullable else 'no'} | {column.description} |"
        for column in table.columns
    ]
    return "\n".join(
        (
            f"## {table.name}.parquet",
            "",
            f"{table.description} Key: {', '.join(f'`{name}`' for name in table.key)}.",
            "",
            "| column | type | unit | range | nullable | description |",
            "|---|---|---|---|---|---|",
            *rows,
        )
    )


def _range(column: Column) -> str:
    low, high = column.minimum, column.maximum
    if low is not None and high is not None:
        return f"{low:g} to {high:g}"
    if low is not None:
        return f"at least {low:g}"
    return "-" if high is None else f"at most {high:g}"


def _files() -> str:
    lines = (f"- `{file_name}`: {description}" for file_name, description in PUBLISHED_FILES.items())
    return "\n".join(("## Other files", "", *lines))


if __name__ == "__main__":
    with atomic_write(PAGE) as temporary:
        temporary.write_text(contract_page(), encoding="utf-8")
