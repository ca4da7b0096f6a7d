"""The landing zone: lists exports, checks them, reads them, and stores their rows as the raw_reviews table.

- `scan`: which files are there, what they are and whether they changed.
- `guards`: checks of a file's bytes before a parser reads it.
- `readers`: CSV, JSON Lines and Parquet as columns of text.
- `formats`: one module per export format, from columns to raw rows.
- `ingest`: reads each new file once and keeps its rows in the warehouse.

Values stay text here. What a valid review is, steps/reviews/ decides.
"""

from amzseg_pipeline.storage.landing.ingest.raw_frames import raw_items_frame, raw_reviews_frame, refuse_damaged_exports
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
    "refuse_damaged_exports",
]
