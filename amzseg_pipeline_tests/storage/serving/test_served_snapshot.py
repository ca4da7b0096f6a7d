"""The snapshot that pages and API show."""

from collections import OrderedDict

import pytest

from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.serving import served_snapshot as served
from amzseg_pipeline.storage.snapshots import Snapshot, read_latest
from amzseg_pipeline.storage.snapshots.layout import pointer_of
from amzseg_pipeline_tests.app.snapshots import publish_again


def test_hash_and_content_are_of_one_snapshot_if_another_is_published_meanwhile(
    published_data_root: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    later: list[Snapshot] = []

    def published_before_reading(root: str) -> Snapshot:
        if not later:
            later.append(publish_again(published_data_root))
        return read_latest(root)

    monkeypatch.setattr(served, "read_latest", published_before_reading)
    monkeypatch.setattr(served, "_open_snapshots", OrderedDict())
    shown = served.served_snapshot(published_data_root)
    pointer = pointer_of(published_data_root.published)
    assert pointer is not None
    assert (shown.sha256, shown.snapshot.sequence) == (pointer.sha256, later[0].sequence)
