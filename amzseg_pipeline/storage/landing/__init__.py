"""The landing zone: exports as they were delivered, guarded, read and kept as parquet parts of raw_reviews.

No rules about what a valid review is: parts hold text as it was given. In the order of reading: listing (what lies
there), identity (which bytes it is), guard (whether it is whole text), formats and one module for each (what it says),
parts (where it is kept), raw_reviews (all of it).
"""
