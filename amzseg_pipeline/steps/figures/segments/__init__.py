"""Plots of the segments stage."""

from amzseg_pipeline.steps.figures.gallery import Gallery, gallery
from amzseg_pipeline.steps.figures.segments import choice, evidence, planes, portraits
from amzseg_pipeline.steps.figures.segments.data import SegmentData, segment_data

__all__ = ["DRAWINGS", "SegmentData", "segment_data", "segment_gallery"]

DRAWINGS = {
    "segment_sizes": portraits.segment_sizes,
    "segment_profile": portraits.segment_profile,
    "features_by_segment": portraits.features_by_segment,
    "price_and_discount": planes.price_and_discount,
    "projection": planes.projection,
    "evidence_for_k": evidence.evidence_for_k,
    "elbow": choice.elbow,
    "silhouette_by_k": choice.silhouette_by_k,
    "silhouette_by_user": choice.silhouette_by_user,
}
"""All plots of the stage, in display order: the segments, then the evidence for their number."""


def segment_gallery(data: SegmentData) -> Gallery:
    """The plots of `data`, rendered."""
    return gallery("segments", DRAWINGS, data)
