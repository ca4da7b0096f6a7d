"""The snapshot that the pages show: opened and checked once, kept until the pointer names another."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from amzseg_pipeline.contracts.errors import SnapshotError
from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.contracts.segments import SEGMENT_PROFILES
from amzseg_pipeline.presentation.colours import segment_colours
from amzseg_pipeline.steps.segments import model_from_document
from amzseg_pipeline.storage.data_root import data_root_at, data_root_from_environment, settings_of
from amzseg_pipeline.storage.fs.atomic_writes import files_below
from amzseg_pipeline.storage.fs.object_store import access_errors
from amzseg_pipeline.storage.serving.snapshot_queries import PublishedUsers
from amzseg_pipeline.storage.snapshots import Snapshot, read_latest
from amzseg_pipeline.storage.snapshots.layout import pointer_of
from amzseg_pipeline.storage.snapshots.snapshot import pointer_to, snapshot_at

_WATCH_SECONDS = 10


@dataclass(frozen=True)
class Published:
    """A snapshot with what every page needs of it.

    `sha256` is what its pointer says, and so its identity; `previous` holds the profiles of the snapshot before it,
    where that is still there.
    """

    sha256: str
    snapshot: Snapshot
    model: Model
    profiles: pd.DataFrame
    previous: pd.DataFrame | None
    users: PublishedUsers
    colours: dict[str, str]

    @property
    def currency(self) -> str | None:
        """ISO 4217 code of avg_spend."""
        return self.snapshot.currency

    @property
    def total_users(self) -> int:
        """Users in the snapshot."""
        return int(self.profiles["users"].sum())

    @property
    def segment_ids(self) -> list[str]:
        """The ids of the segments, the largest first."""
        return list(self.profiles.sort_values(["users", "segment_id"], ascending=[False, True])["segment_id"])

    def profile(self, segment_id: str) -> dict[str, Any]:
        """The row of a segment in segment_profiles; a missing mean is None."""
        return self._profiles[segment_id]

    def name(self, segment_id: str) -> str:
        """What a segment is called."""
        return str(self._profiles[segment_id]["segment_name"])

    def columns(self, table: str) -> frozenset[str]:
        """The columns of a table of the snapshot, none where the snapshot does not hold it."""
        resources = self.snapshot.manifest["resources"]
        fields = next((entry["schema"]["fields"] for entry in resources if entry["name"] == table), ())
        return frozenset(field["name"] for field in fields)

    @cached_property
    def _profiles(self) -> dict[str, dict[str, Any]]:
        return {
            str(row["segment_id"]): {str(name): None if pd.isna(value) else value for name, value in row.items()}
            for row in self.profiles.to_dict("records")
        }


def published() -> Published:
    """The latest snapshot. Raises SnapshotError where there is none that can be shown."""
    data_root = data_root_from_environment()
    st.session_state["shown_sha256"] = ""
    pointer = pointer_of(data_root.published)
    if pointer is None:
        return _opened(str(data_root.root), ("",))
    st.session_state["shown_sha256"] = pointer.sha256
    return _opened(str(data_root.root), (pointer.sha256, *_states((data_root.published / pointer.manifest).parent)))


def stale_after() -> timedelta:
    """The age from which the app warns."""
    return timedelta(days=settings_of(data_root_from_environment()).stale_days)


def min_name_fit() -> float:
    """The part of what sets a segment apart below which its name says little."""
    return settings_of(data_root_from_environment()).min_name_fit


def age_of(published: Published) -> timedelta:
    """How old the snapshot is."""
    return datetime.now(UTC) - published.snapshot.created


@st.fragment(run_every=_WATCH_SECONDS)
def watch_for_newer() -> None:
    """Shows the page anew once another snapshot is published."""
    try:
        pointer = pointer_of(data_root_from_environment().published)
    except SnapshotError:
        return
    shown = st.session_state.get("shown_sha256")
    if pointer is not None and shown is not None and pointer.sha256 != shown:
        st.rerun()


@st.cache_resource(max_entries=3, show_spinner="Checking the snapshot …")
def _opened(root: str, seen: tuple[str, ...]) -> Published:
    """`seen` is the pointer's sha256 and the states of the files: whatever was touched is opened and checked anew."""
    snapshot = read_latest(root)
    model = model_from_document(snapshot.model_document(), location=str(snapshot.path / "model.json"))
    profiles = snapshot.segment_profiles()
    return Published(
        sha256=seen[0],
        snapshot=snapshot,
        model=model,
        profiles=profiles,
        previous=_profiles_before(data_root_at(root).published, snapshot),
        users=PublishedUsers(snapshot),
        colours=segment_colours(profiles["segment_id"]),
    )


def _states(folder: Path) -> list[str]:
    """Name, size and time of writing of each file; none where the folder is gone."""
    try:
        return [f"{path.name} {state.size_bytes} {state.modified}" for path, state in files_below(folder).items()]
    except access_errors():
        return []


def _profiles_before(published: Path, snapshot: Snapshot) -> pd.DataFrame | None:
    """The profiles of the predecessor; None without one, or if it has expired or is damaged."""
    if snapshot.predecessor is None:
        return None
    try:
        before = snapshot_at(published, pointer_to(published, snapshot.predecessor))
        before.verify(f"{SEGMENT_PROFILES.name}.parquet")
        return before.segment_profiles()
    except SnapshotError:
        return None
