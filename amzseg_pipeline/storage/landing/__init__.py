"""The landing zone: exports as they were delivered, guarded, read and kept as parquet parts of raw_reviews.

No rules about what a valid review is: parts hold text as it was given. In the order of reading: listing (what lies
there), identity (which bytes it is), heads and guards (what kind of file, and whether it is whole), formats and one
module for each (what it says), parts (where it is kept), refusals (what could not be read), raw_reviews (all of it),
frames (its rows on an engine).
"""

from amzseg_pipeline.storage.landing.ingest.raw_frames import raw_items_frame, raw_reviews_frame, reading_in_place
from amzseg_pipeline.storage.landing.ingest.raw_reviews import Batch, RawReviews, known_contents, raw_reviews
from amzseg_pipeline.storage.landing.ingest.serialization import raw_reviews_document, raw_reviews_from_document
from amzseg_pipeline.storage.landing.scan.listing import is_sample, landing_listing

__all__ = [
    "Batch",
    "RawReviews",
    "is_sample",
    "known_contents",
    "landing_listing",
    "raw_items_frame",
    "raw_reviews",
    "raw_reviews_document",
    "raw_reviews_frame",
    "raw_reviews_from_document",
    "reading_in_place",
]
