"""Plots of each stage: a figure, a title that states the finding, and a caption computed from the data.

Plots draw aggregates and bounded samples, never a complete large table.
"""

from amzseg_pipeline.presentation.colours import segment_colours
from amzseg_pipeline.steps.figures.gallery import Gallery, MissingPlot, RenderedPlot
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
    "RenderedPlot",
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
