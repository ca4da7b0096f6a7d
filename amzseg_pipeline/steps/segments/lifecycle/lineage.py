"""Which clusters of a new model are the segments of the one before: who keeps id and name, who is new, who is gone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from amzseg_pipeline.contracts.model import LineageEvent, Model
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.segments.features.scaling import Matrix

_MOST = 0.5
"""More than this part of a segment's users decides where it came from or went to."""


@dataclass(frozen=True)
class LineageMatch:
    """Per cluster its segment_id and the place of the champion's segment that lives on in it, None for a new one.

    `overlap` counts users: champion's segments x clusters; None where they were matched by distance.
    """

    segment_ids: tuple[str, ...]
    ancestors: tuple[int | None, ...]
    overlap: npt.NDArray[np.int64] | None


def lineage_match(
    overlap: npt.NDArray[np.int64], distances: Matrix, champion: Model, settings: Settings
) -> LineageMatch:
    """What becomes of the champion's segments.

    `overlap` counts the users whom the last snapshot had in a segment and who are in a cluster now, `distances` are
    those of the means of segments to the centroids of clusters: champion's segments x clusters, infinite for a segment
    nobody is in. Segments and clusters are paired by the largest sum of Jaccard indices (Hungarian); a pair of at least
    `lineage_overlap` survives. Below `lineage_users` common users the pairs are those of least summed distance, and
    survive where each is nearest to the other. Every other cluster gets an id that was never used.
    """
    by_overlap = int(overlap.sum()) >= settings.lineage_users
    if by_overlap:
        indices = jaccard_indices(overlap)
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


def lineage(found: LineageMatch, names: Sequence[str], champion: Model) -> tuple[LineageEvent, ...]:
    """The family in words, `names` being those of the clusters; in the order of ids."""
    events = [_origin(j, found, names[j], champion) for j in range(len(names))]
    gone = set(range(len(champion.segments))) - set(found.ancestors)
    events += [_end(i, found, champion) for i in gone]
    return tuple(sorted(events, key=lambda event: event.segment_id))


def next_segment_number(model: Model) -> int:
    """The number of the next new segment: above all that `model` and those before it had."""
    return max(model.next_segment_number, 1 + max(int(segment.segment_id[1:]) for segment in model.segments))


def jaccard_indices(overlap: npt.NDArray[np.int64]) -> Matrix:
    """Users in both over users in either, for every pair; 0 where there are none."""
    either = overlap.sum(axis=1)[:, None] + overlap.sum(axis=0)[None, :] - overlap
    return np.asarray(overlap / np.maximum(either, 1))


def _paired(costs: Matrix) -> list[tuple[int, int]]:
    from scipy.optimize import linear_sum_assignment

    return [(int(i), int(j)) for i, j in zip(*linear_sum_assignment(costs), strict=True)]


def _origin(j: int, found: LineageMatch, name: str, champion: Model) -> LineageEvent:
    segment_id, ancestor, overlap = found.segment_ids[j], found.ancestors[j], found.overlap
    if ancestor is not None:
        shared = None if overlap is None else float(jaccard_indices(overlap)[ancestor, j])
        return LineageEvent("kept", segment_id, name, None, shared)
    if overlap is None:
        return LineageEvent("born", segment_id, name, None, None)
    origin, share = _largest(overlap[:, j])
    if share > _MOST:
        return LineageEvent("split", segment_id, name, champion.segments[origin].segment_id, share)
    return LineageEvent("born", segment_id, name, None, share)


def _end(i: int, found: LineageMatch, champion: Model) -> LineageEvent:
    segment = champion.segments[i]
    if found.overlap is None:
        return LineageEvent("died", segment.segment_id, segment.name, None, None)
    place, share = _largest(found.overlap[i])
    if share > _MOST:
        return LineageEvent("merged", segment.segment_id, segment.name, found.segment_ids[place], share)
    return LineageEvent("died", segment.segment_id, segment.name, None, share)


def _largest(users: npt.NDArray[np.int64]) -> tuple[int, float]:
    place = int(users.argmax())
    return place, int(users[place]) / max(int(users.sum()), 1)
