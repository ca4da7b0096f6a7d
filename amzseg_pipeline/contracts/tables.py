"""Every table of the pipeline, by name."""

from amzseg_pipeline.contracts.algorithms import ALGORITHM_COMPARISON
from amzseg_pipeline.contracts.history import SEGMENT_HISTORY, SEGMENT_MIGRATIONS
from amzseg_pipeline.contracts.reviews import CLEANED_REVIEWS, ITEMS, RAW_REVIEWS, REJECTED_ITEMS, REJECTED_REVIEWS
from amzseg_pipeline.contracts.segments import SCALED_FEATURES, SEGMENT_ASSIGNMENTS, SEGMENT_PROFILES
from amzseg_pipeline.contracts.users import USER_FEATURES

TABLES = {
    table.name: table
    for table in (
        RAW_REVIEWS,
        ITEMS,
        REJECTED_ITEMS,
        CLEANED_REVIEWS,
        REJECTED_REVIEWS,
        USER_FEATURES,
        SCALED_FEATURES,
        SEGMENT_ASSIGNMENTS,
        SEGMENT_PROFILES,
        SEGMENT_MIGRATIONS,
        SEGMENT_HISTORY,
        ALGORITHM_COMPARISON,
    )
}
