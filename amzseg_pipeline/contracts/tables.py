"""Every table of the pipeline, by name."""

from amzseg_pipeline.contracts.reviews import CLEANED_REVIEWS, RAW_REVIEWS, REJECTED_REVIEWS
from amzseg_pipeline.contracts.segments import SCALED_FEATURES, SEGMENT_ASSIGNMENTS, SEGMENT_PROFILES
from amzseg_pipeline.contracts.users import USER_FEATURES

TABLES = {
    table.name: table
    for table in (
        RAW_REVIEWS,
        CLEANED_REVIEWS,
        REJECTED_REVIEWS,
        USER_FEATURES,
        SCALED_FEATURES,
        SEGMENT_ASSIGNMENTS,
        SEGMENT_PROFILES,
    )
}
