"""Why a segment is a segment of its own: its strongest differences, as sentences and for the comparison of two."""

from amzseg_pipeline.app import cached_queries
from amzseg_pipeline.app.published_snapshot import ShownSnapshot
from amzseg_pipeline.contracts.users import FEATURES
from amzseg_pipeline.presentation.formatting import joined
from amzseg_pipeline.presentation.segment_texts import strongest_differences


def why_sentence(shown: ShownSnapshot, segment_id: str) -> str:
    """The two features in which a segment differs most from all users; empty if none differs in raw units."""
    differences = strongest_differences(
        _centroid(shown, segment_id),
        _means(shown, segment_id),
        cached_queries.means(shown),
        currency=shown.currency,
    )
    return f"They {joined(differences)}." if differences else ""


def comparison_sentence(shown: ShownSnapshot, segment_id: str, other_id: str) -> str:
    """The three features in which two segments differ most."""
    own, other = _centroid(shown, segment_id), _centroid(shown, other_id)
    differences = strongest_differences(
        {name: own[name] - other[name] for name in own},
        _means(shown, segment_id),
        _means(shown, other_id),
        currency=shown.currency,
        other_name=shown.name(other_id),
        limit=3,
    )
    return f"{shown.name(segment_id)} {joined(differences)}." if differences else ""


def _centroid(shown: ShownSnapshot, segment_id: str) -> dict[str, float]:
    names = [feature.name for feature in shown.model.scaling.features]
    segment = next(each for each in shown.model.segments if each.segment_id == segment_id)
    return dict(zip(names, segment.centroid, strict=True))


def _means(shown: ShownSnapshot, segment_id: str) -> dict[str, float | None]:
    profile = shown.profile(segment_id)
    return {name: profile[name] for name in FEATURES}
