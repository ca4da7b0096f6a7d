"""The canonical form for reviews of any source: a table with one review per record.

Columns have the names of raw_reviews. docs/exports.md describes them; docs/template_canonical.csv is a template.
"""

from amzseg_pipeline.storage.landing.formats.tabular import COLUMN_ORDER, TableLayout, tabular_format

REQUIRED_COLUMNS = ("user_id", "item_id", "rating", "paid_price", "currency")
COLUMNS = COLUMN_ORDER

_LAYOUT = TableLayout(columns={name: name for name in COLUMNS})

CANONICAL_CSV = tabular_format(
    name="canonical CSV",
    version="canonical4",
    layout=_LAYOUT,
    required=REQUIRED_COLUMNS,
    file_types=("CSV", "Excel"),
)
CANONICAL_PARQUET = tabular_format(
    name="canonical parquet",
    version="canonicalparquet4",
    layout=_LAYOUT,
    required=REQUIRED_COLUMNS,
    file_types=("parquet",),
)
