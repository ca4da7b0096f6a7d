"""The benchmark of many workers measures the tasks of every stage."""

import json
from pathlib import Path

from amzseg_pipeline_tests.storage.landing.synthetic_exports import json_lines, review_2023
from benchmarks.cluster_simulation import measured


def test_every_stage_has_tasks(tmp_path: Path) -> None:
    exports = tmp_path / "exports"
    exports.mkdir()
    (exports / "a.jsonl").write_bytes(json_lines([review_2023(number) for number in range(20)]))
    measured(exports, tmp_path / "times.json", bucket_rows=10)
    stages = json.loads((tmp_path / "times.json").read_bytes())["stages"]
    assert {stage["name"]: stage["tasks"] > 0 for stage in stages} == dict.fromkeys(
        ("reading", "partitioning", "aggregating", "scoring"), True
    )
