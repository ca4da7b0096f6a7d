"""Segment lineage: which clusters of a new model continue segments of the previous model, and keep their ids."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from amzseg_pipeline.contracts.model import LineageEvent, Model
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.segments.features.scaling import Matrix

_MAJORITY = 0.5
"""A segment with a larger share of users from one source is split off it; to one target, it is merged into it."""


@dataclass(frozen=True)
class LineageMatch:
    """Per cluster its segment_id and the index of the champion's segment that it continues (None if new).

    `overlap` counts common users, champion's segments x clusters; None if segments were matched by distance.
    """

    segment_ids: tuple[str, ...]
    ancestors: tuple[int | None, ...]
    overlap: npt.NDArray[np.int64] | None


def lineage_match(
    overlap: npt.NDArray[np.int64],
    distances: Matrix,
    champion: Model,
    settings: Settings,
    *,
    long_standing: npt.NDArray[np.int64] | None = None,
) -> LineageMatch:
    """Matches the champion's segments with the clusters of a new model.

    Segments and clusters are paired by the largest sum of Jaccard indices (Hungarian method); a pair survives from
    `lineage_overlap`. Only `long_standing` users count: a group that joined a segment for a while does not take its id
    when it leaves again. Below `lineage_users` common users, pairs have the smallest sum of distances and survive if
    each is nearest to the other. Other clusters get new ids.

    Args:
        overlap: Users in a segment in the previous snapshot and in a cluster now: champion's segments x clusters.
        distances: Distances of segment means to cluster centroids, infinite for an empty segment; same shape.
        champion: The current model.
        settings: Settings of the run.
        long_standing: As `overlap`, of the half of each segment's members who have been there longest; default: all.
    """
    by_overlap = int(overlap.sum()) >= settings.lineage_users
    if by_overlap:
        indices = jaccard_indices(overlap if long_standing is None else long_standing)
        pairs = [(i, j) for i, j in _paired(1 - indices) if indices[i, j] >= settings.lineage_overlap]
    else:
        nearest_cluster, nearest_segment = distances.argmin(axis=1), distances.argmin(axis=0)
        pairs = [
            (i, j)
            for i, j in _paired(np.where(np.isfinite(distances), distances, 1e9))
            if np.isfinite(distances[i, j]) and nearest_cluster[i] == j and nearest_segment[j] == i
        ]
    ancestor = {j: i for i, j in pairs}
    ids, number = [], next_segment_number(champion)
    for j in range(overlap.shape[1]):
        if j in ancestor:
            ids.append(champion.segments[ancestor[j]].segment_id)
        else:
            ids.append(f"S{number:04d}")
            number += 1
    return LineageMatch(tuple(ids), tuple(ancestor.get(j) for j in range(len(ids))), overlap if by_overlap else None)


def lineage(match: LineageMatch, names: Sequence[str], champion: Model) -> tuple[LineageEvent, ...]:
    """The lineage events of a match, in the order of ids; `names` are those of the clusters."""
    events = [_origin(j, match, names[j], champion) for j in range(len(names))]
    gone = set(range(len(champion.segments))) - set(match.ancestors)
    events += [_end(i, match, champion) for i in gone]
    return tuple(sorted(events, key=lambda event: event.segment_id))


def next_segment_number(model: Model) -> int:
    """The number of the next new segment, above all that `model` and its predecessors used."""
    return max(model.next_segment_number, 1 + max(int(segment.segment_id[1:]) for segment in model.segments))


def jaccard_indices(overlap: npt.NDArray[np.int64]) -> Matrix:
    """Jaccard index of every pair: users in both over users in either; 0 without users."""
    either = overlap.sum(axis=1)[:, None] + overlap.sum(axis=0)[None, :] - overlap
    return np.asarray(overlap / np.maximum(either, 1))


def _paired(costs: Matrix) -> list[tuple[int, int]]:
    from scipy.optimize import linear_sum_assignment

    return [(int(i), int(j)) for i, j in zip(*linear_sum_assignment(costs), strict=True)]


def _origin(j: int, match: LineageMatch, name: str, champion: Model) -> LineageEvent:
    segment_id, ancestor, overlap = match.segment_ids[j], match.ancestors[j], match.overlap
    if ancestor is not None:
        shared = None if overlap is None else float(jaccard_indices(overlap)[ancestor, j])
        return LineageEvent("kept", segment_id, name, None, shared)
    if overlap is None:
        return LineageEvent("born", segment_id, name, None, None)
    origin, share = _largest(overlap[:, j])
    if share > _MAJORITY:
        return LineageEvent("split", segment_id, name, champion.segments[origin].segment_id, share)
    return LineageEvent("born", segment_id, name, None, share)


def _end(i: int, match: LineageMatch, champion: Model) -> LineageEvent:
    segment = champion.segments[i]
    if match.overlap is None:
        return LineageEvent("died", segment.segment_id, segment.name, None, None)
    target, share = _largest(match.overlap[i])
    if share > _MAJORITY:
        return LineageEvent("merged", segment.segment_id, segment.name, match.segment_ids[target], share)
    return LineageEvent("died", segment.segment_id, segment.name, None, share)


def _largest(users: npt.NDArray[np.int64]) -> tuple[int, float]:
    index = int(users.argmax())
    return index, int(users[index]) / max(int(users.sum()), 1)
