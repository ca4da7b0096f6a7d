"""The table of docs/scale.md, from the results of benchmarks/scale.py."""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = "results.jsonl"
_BEGIN, _END = "<!-- python -m benchmarks.scale table", "<!-- to here -->"
LABELS = {
    "pipeline": "amzseg_pipeline",
    "duckdb_sql": "hand-written DuckDB SQL",
    "polars_lazy": "hand-written Polars",
    "pandas_frames": "hand-written pandas",
}
_HEADS = (
    *("reviews", "exports", "program", "features: CPU s", "wall s", "published: CPU s", "wall s"),
    *("memory", "temp disk", "load", "runs"),
)


def write_table(results: Path, document: Path) -> None:
    """Replaces the table between the two marks of a Markdown document."""
    measured = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    before, _, rest = document.read_text(encoding="utf-8").partition(_BEGIN)
    mark, _, rest = rest.partition("\n")
    _, _, after = rest.partition(_END)
    document.write_text(f"{before}{_BEGIN}{mark}\n{table(measured)}\n{_END}{after}", encoding="utf-8")


def table(results: Iterable[Mapping[str, Any]]) -> str:
    """A row per number of reviews, exports and program, with the medians of its runs."""
    groups: dict[tuple[int, str, str], list[Mapping[str, Any]]] = {}
    for result in results:
        groups.setdefault((result["rows"], result["exports"], result["peer"]), []).append(result)
    order = list(LABELS)
    keys = sorted(groups, key=lambda key: (key[0], key[1] != "parquet", key[1], order.index(key[2])))
    lines = [_HEADS, ("---:", "---:", "---", *["---:"] * (len(_HEADS) - 3)), *(_row(key, groups[key]) for key in keys)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _row(key: tuple[int, str, str], runs: Sequence[Mapping[str, Any]]) -> Sequence[str]:
    rows, exports, peer = key
    figures = []
    for point in ("to_features", "to_published"):
        for unit in ("cpu_seconds", "wall_seconds"):
            values = [run[point][unit] for run in runs if run[point]]
            figures.append(f"{statistics.median(values):,.1f}" if values else "")
    memory, temporary = (max(run[name] for run in runs) for name in ("memory_mib", "temporary_mib"))
    program = LABELS[peer] if exports == "parquet" else f"{LABELS[peer]}; {exports}"
    load = f"{statistics.median(run['load_before'] for run in runs):.1f}"
    counts = {sum(bool(run[point]) for run in runs) for point in ("to_features", "to_published")} - {0}
    export_bytes = max(run.get("export_bytes", 0) for run in runs)
    return [
        f"{rows:,}",
        _gigabytes(export_bytes),
        program,
        *figures,
        _gib(memory),
        _gib(temporary),
        load,
        " to ".join(map(str, sorted(counts))),
    ]


def _gib(mib: float) -> str:
    return f"{mib / 1024:.1f} GiB" if mib else "0"


def _gigabytes(size_bytes: int) -> str:
    """Empty for results that were measured before sizes were recorded."""
    return f"{size_bytes / 1e9:.2f} GB" if size_bytes else ""
