from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amzseg_pipeline.contracts.model import LineageEvent, Model
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.segments.lifecycle.lineage import (
    jaccard_indices,
    lineage,
    lineage_match,
    next_segment_number,
)
from amzseg_pipeline_tests.steps.segments.users import untrained_model

CHAMPION = untrained_model()
SECOND = CHAMPION.segments[1].name


def test_the_id_goes_to_the_members_of_long_standing() -> None:
    overlap, far = np.array([[40, 60, 0], [0, 0, 50], [0, 0, 0]]), np.full((3, 3), 9.0)
    standing = np.array([[40, 10, 0], [0, 0, 25], [0, 0, 0]])
    settings = Settings(lineage_users=100)
    assert lineage_match(overlap, far, CHAMPION, settings).segment_ids == ("S0004", "S0001", "S0002")
    found = lineage_match(overlap, far, CHAMPION, settings, long_standing=standing)
    assert found.segment_ids == ("S0001", "S0004", "S0002")
    events = {event.segment_id: event for event in lineage(found, ["a", "b", "c"], CHAMPION)}
    assert (events["S0004"].event, events["S0004"].other_id, events["S0004"].overlap) == ("split", "S0001", 1.0)
    assert events["S0001"].overlap == pytest.approx(0.4)


def events_of(overlap, champion: Model = CHAMPION, **changed) -> list[tuple]:
    """The lineage events, with rounded overlaps."""
    counts = np.array(overlap)
    far = np.full(counts.shape, 9.0)
    found = lineage_match(counts, far, champion, Settings(**{"lineage_users": 1, **changed}))
    names = [f"cluster {j}" for j in range(counts.shape[1])]
    return [
        (d.event, d.segment_id, d.other_id, None if d.overlap is None else round(d.overlap, 2))
        for d in lineage(found, names, champion)
    ]


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [
        (
            [[90, 5, 0], [0, 80, 3], [2, 0, 70]],
            [("kept", "S0001", None, 0.93), ("kept", "S0002", None, 0.91), ("kept", "S0003", None, 0.93)],
        ),
        (
            [[0, 90, 5], [3, 0, 80], [70, 2, 0]],
            [("kept", "S0001", None, 0.93), ("kept", "S0002", None, 0.91), ("kept", "S0003", None, 0.93)],
        ),
        (
            [[60, 40, 0, 0], [0, 0, 80, 0], [0, 0, 0, 70]],
            [
                ("kept", "S0001", None, 0.6),
                ("kept", "S0002", None, 1.0),
                ("kept", "S0003", None, 1.0),
                ("split", "S0004", "S0001", 1.0),
            ],
        ),
        (
            [[60, 0], [40, 0], [0, 70]],
            [("kept", "S0001", None, 0.6), ("merged", "S0002", "S0001", 1.0), ("kept", "S0003", None, 1.0)],
        ),
        (
            [[40, 30, 30], [30, 40, 30], [30, 30, 40]],
            [
                ("died", "S0001", None, 0.4),
                ("died", "S0002", None, 0.4),
                ("died", "S0003", None, 0.4),
                ("born", "S0004", None, 0.4),
                ("born", "S0005", None, 0.4),
                ("born", "S0006", None, 0.4),
            ],
        ),
    ],
    ids=["the same", "in another order", "one split", "two merged", "all scattered"],
)
def test_lineage_events(overlap, expected) -> None:
    assert events_of(overlap) == expected


def test_segments_without_common_users_are_born_or_die() -> None:
    assert events_of([[90, 0, 0], [0, 80, 0], [0, 0, 0]])[2:] == [
        ("died", "S0003", None, 0.0),
        ("born", "S0004", None, 0.0),
    ]


def test_few_common_users_are_matched_by_distance() -> None:
    overlap = np.array([[9, 0, 0], [0, 9, 0], [0, 0, 9]])
    distances = np.array([[0.1, 5.0, 4.0], [5.0, 4.0, 0.2], [9.0, 3.0, 3.0]])
    found = lineage_match(overlap, distances, CHAMPION, Settings(lineage_users=28))
    assert found.segment_ids == ("S0001", "S0003", "S0002")
    assert lineage_match(overlap, distances, CHAMPION, Settings(lineage_users=27)).segment_ids == (
        "S0001",
        "S0002",
        "S0003",
    )
    events = {d.segment_id: (d.event, d.overlap) for d in lineage(found, ["x", "y", "z"], CHAMPION)}
    assert events == {"S0001": ("kept", None), "S0003": ("kept", None), "S0002": ("kept", None)}


def test_by_distance_only_mutual_nearest_neighbours_survive() -> None:
    distances = np.array([[0.1, 0.3, 9.0], [0.5, 0.4, 9.0], [np.inf, np.inf, np.inf]])
    found = lineage_match(np.zeros((3, 3), int), distances, CHAMPION, Settings())
    assert found.segment_ids == ("S0001", "S0004", "S0005")
    assert [(d.event, d.segment_id) for d in lineage(found, ["x", "y", "z"], CHAMPION)] == [
        ("kept", "S0001"),
        ("died", "S0002"),
        ("died", "S0003"),
        ("born", "S0004"),
        ("born", "S0005"),
    ]


@pytest.mark.parametrize(("recorded", "expected"), [(0, 4), (3, 4), (12, 12)])
def test_new_ids_follow_all_earlier_ids(recorded: int, expected: int) -> None:
    champion = replace(CHAMPION, next_segment_number=recorded)
    assert next_segment_number(champion) == expected
    assert events_of([[0, 0], [0, 0], [0, 9]], champion)[-1][1] == f"S{expected:04d}"


@given(st.data())
def test_the_order_of_clusters_does_not_change_lineage(data: st.DataObject) -> None:
    overlap = np.array(
        data.draw(st.lists(st.lists(st.integers(0, 60), min_size=3, max_size=3), min_size=3, max_size=3))
    )
    overlap[np.diag_indices(3)] += 200
    order = data.draw(st.permutations(range(3)))
    far = np.full((3, 3), 9.0)
    found = lineage_match(overlap, far, CHAMPION, Settings(lineage_users=1))
    permuted = lineage_match(overlap[:, order], far, CHAMPION, Settings(lineage_users=1))
    assert permuted.segment_ids == tuple(found.segment_ids[j] for j in order)


def test_jaccard_indices_are_users_in_both_over_users_in_either() -> None:
    assert jaccard_indices(np.array([[3, 1], [0, 0]])).tolist() == [[0.75, 0.25], [0.0, 0.0]]


def test_a_lineage_event_has_the_name_of_its_segment() -> None:
    found = lineage_match(np.array([[9, 0], [9, 0], [0, 9]]), np.zeros((3, 2)), CHAMPION, Settings(lineage_users=1))
    assert [(d.event, d.name) for d in lineage(found, ["new name", "third"], CHAMPION)] == [
        ("kept", "new name"),
        ("merged", SECOND),
        ("kept", "third"),
    ]
    assert all(isinstance(d, LineageEvent) for d in lineage(found, ["new name", "third"], CHAMPION))
