"""Figures, each with a title that says the finding and one sentence computed from the data. A module per stage.

What they draw are aggregates and bounded samples, so that no figure reads a whole large table.
"""

from amzseg_pipeline.presentation.colours import segment_colours
from amzseg_pipeline.steps.figures.gallery import Gallery, MissingPlot, ShownPlot
from amzseg_pipeline.steps.figures.history import HistoryData, history_gallery
from amzseg_pipeline.steps.figures.images import thumbnails
from amzseg_pipeline.steps.figures.report import report_page
from amzseg_pipeline.steps.figures.reviews import review_data, review_gallery
from amzseg_pipeline.steps.figures.segments import segment_data, segment_gallery
from amzseg_pipeline.steps.figures.users import user_data, user_gallery

__all__ = [
    "Gallery",
    "HistoryData",
    "MissingPlot",
    "ShownPlot",
    "history_gallery",
    "report_page",
    "review_data",
    "review_gallery",
    "segment_colours",
    "segment_data",
    "segment_gallery",
    "thumbnails",
    "user_data",
    "user_gallery",
]
