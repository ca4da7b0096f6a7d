"""Code that reads the published users in other tools, as shown on "About the data"; every recipe is tested."""

_FIND_FILE = """\
import json, pathlib
published = pathlib.Path("data/published")
manifest = published / json.loads((published / "LATEST.json").read_bytes())["manifest"]
users = manifest.with_name("segment_assignments.parquet")
"""

RECIPES = (
    (
        "This package",
        "python",
        """\
from amzseg_pipeline import read_latest

snapshot = read_latest("data")  # verifies every file
segments = snapshot.segment_assignments()
""",
    ),
    ("pandas", "python", f"import pandas as pd\n{_FIND_FILE}segments = pd.read_parquet(users)\n"),
    ("Polars", "python", f"import polars as pl\n{_FIND_FILE}segments = pl.scan_parquet(users).collect()\n"),
    (
        "DuckDB",
        "sql",
        """\
SET VARIABLE folder = (SELECT replace(manifest, 'datapackage.json', '') FROM 'data/published/LATEST.json');
SELECT segment_name, count(*) AS users, avg(avg_spend) AS mean_spend
FROM read_parquet('data/published/' || getvariable('folder') || 'segment_assignments.parquet')
GROUP BY segment_name ORDER BY users DESC;
""",
    ),
)
"""Tool, language for highlighting, code."""
