"""pandas frames with the columns and types of a contract."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import pyarrow as pa

from amzseg_pipeline.contracts.schema import Table

_ARROW_TYPES = {
    "string": pa.string(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "date": pa.date32(),
}


def contract_frame(table: Table, values: Mapping[str, Any]) -> pd.DataFrame:
    """The columns of `table`, in order and of its Arrow types, from `values`; NaN becomes null."""
    columns = {}
    for column in table.columns:
        arrow = values[column.name]
        if not isinstance(arrow, pa.Array | pa.ChunkedArray):
            arrow = pa.array(arrow, from_pandas=True)
        columns[column.name] = pd.arrays.ArrowExtensionArray(arrow.cast(_ARROW_TYPES[column.type]))
    return pd.DataFrame(columns)
