"""The snapshot that the pages show: opened and verified once for all sessions, until a newer one is published."""

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
from amzseg_pipeline.storage.data_root import data_root_at, data_root_from_environment, settings_of
from amzseg_pipeline.storage.serving.served_snapshot import ServedSnapshot, served_snapshot, snapshot_key
from amzseg_pipeline.storage.serving.snapshot_queries import PublishedUsers
from amzseg_pipeline.storage.snapshots import Snapshot
from amzseg_pipeline.storage.snapshots.layout import pointer_of
from amzseg_pipeline.storage.snapshots.snapshot import pointer_to, snapshot_at

_WATCH_SECONDS = 10


@dataclass(frozen=True)
class ShownSnapshot:
    """A snapshot with what every page needs.

    `predecessor` is the snapshot that this one continued from, and `previous` its profiles; None if there is none.
    """

    served: ServedSnapshot
    predecessor: Snapshot | None
    previous: pd.DataFrame | None
    colours: dict[str, str]

    @property
    def sha256(self) -> str:
        """The sha256 of the manifest, which identifies the snapshot."""
        return self.served.sha256

    @property
    def snapshot(self) -> Snapshot:
        """The files of the snapshot."""
        return self.served.snapshot

    @property
    def model(self) -> Model:
        """The model that scored the users."""
        return self.served.model

    @property
    def users(self) -> PublishedUsers:
        """Queries of the users."""
        return self.served.users

    @property
    def profiles(self) -> pd.DataFrame:
        """segment_profiles."""
        return self.served.profiles

    @property
    def currency(self) -> str | None:
        """ISO 4217 code of avg_spend."""
        return self.snapshot.currency

    @property
    def total_users(self) -> int:
        """Users in the snapshot."""
        return int(self.profiles["users"].sum())

    @cached_property
    def segment_ids(self) -> list[str]:
        """The ids of the segments, largest segment first."""
        return list(self.profiles.sort_values(["users", "segment_id"], ascending=[False, True])["segment_id"])

    def profile(self, segment_id: str) -> dict[str, Any]:
        """The row of a segment in segment_profiles; a missing mean is None."""
        return self._profiles[segment_id]

    def name(self, segment_id: str) -> str:
        """The name of a segment."""
        return str(self._profiles[segment_id]["segment_name"])

    @cached_property
    def _profiles(self) -> dict[str, dict[str, Any]]:
        return {
            str(row["segment_id"]): {str(name): None if pd.isna(value) else value for name, value in row.items()}
            for row in self.profiles.to_dict("records")
        }


def shown_snapshot() -> ShownSnapshot:
    """The latest snapshot.

    Raises:
        SnapshotError: nothing is published, or it cannot be shown.
    """
    key = snapshot_key(data_root_from_environment())
    st.session_state["shown_sha256"] = key[1]
    return _opened(key)


def stale_after() -> timedelta:
    """The age from which the pages warn that a snapshot is stale."""
    return timedelta(days=settings_of(data_root_from_environment()).stale_days)


def min_name_fit() -> float:
    """The name fit below which a segment's name describes it poorly."""
    return settings_of(data_root_from_environment()).min_name_fit


def age_of(shown: ShownSnapshot) -> timedelta:
    """The time since the snapshot was published."""
    return datetime.now(UTC) - shown.snapshot.created


@st.fragment(run_every=_WATCH_SECONDS)
def watch_for_newer() -> None:
    """Reruns the page when another snapshot is published."""
    try:
        pointer = pointer_of(data_root_from_environment().published)
    except SnapshotError:
        return
    shown = st.session_state.get("shown_sha256")
    if pointer is not None and shown is not None and pointer.sha256 != shown:
        st.rerun()


@st.cache_resource(max_entries=3, show_spinner="Checking the snapshot …")
def _opened(key: tuple[str, ...]) -> ShownSnapshot:
    """The latest snapshot of the data root `key[0]`; a changed file changes the key, so it is verified again."""
    data_root = data_root_at(key[0])
    served = served_snapshot(data_root)
    predecessor, previous = _predecessor(data_root.published, served.snapshot)
    return ShownSnapshot(
        served=served,
        predecessor=predecessor,
        previous=previous,
        colours=segment_colours(served.profiles["segment_id"]),
    )


def _predecessor(published: Path, snapshot: Snapshot) -> tuple[Snapshot, pd.DataFrame] | tuple[None, None]:
    """The snapshot that this one continued from, and its profiles; None if there is none, or it is damaged.

    The manifest names it; neighbouring numbers are no predecessors after a rollback or a change from sample to real
    data. Only the profiles of it are verified.
    """
    predecessor = snapshot.manifest.get("predecessor")
    if predecessor is None:
        return None, None
    try:
        previous = snapshot_at(published, pointer_to(published, int(predecessor)))
        previous.verify(f"{SEGMENT_PROFILES.name}.parquet")
        return previous, previous.segment_profiles()
    except SnapshotError:
        return None, None
