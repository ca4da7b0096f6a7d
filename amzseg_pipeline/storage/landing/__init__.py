"""The landing zone: exports as they were delivered, guarded, read and kept as parquet parts of raw_reviews.

No rules about what a valid review is: parts hold text as it was given. In the order of reading: listing (what lies
there), identity (which bytes it is), guard (whether it is whole text), formats and one module for each (what it says),
parts (where it is kept), raw_reviews (all of it).
"""

from amzseg_pipeline.storage.landing.documents import raw_reviews_document, raw_reviews_from_document
from amzseg_pipeline.storage.landing.identity import known_contents
from amzseg_pipeline.storage.landing.listing import landing_listing
from amzseg_pipeline.storage.landing.raw_reviews import Batch, RawReviews, raw_reviews

__all__ = [
    "Batch",
    "RawReviews",
    "known_contents",
    "landing_listing",
    "raw_reviews",
    "raw_reviews_document",
    "raw_reviews_from_document",
]
