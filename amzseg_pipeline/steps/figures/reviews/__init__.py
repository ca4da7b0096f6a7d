"""Plots of the reviews stage."""

from amzseg_pipeline.steps.figures.gallery import Gallery, gallery
from amzseg_pipeline.steps.figures.reviews import categories, distributions, history, levels, relations
from amzseg_pipeline.steps.figures.reviews.data import ReviewData, review_data

__all__ = ["DRAWINGS", "ReviewData", "review_data", "review_gallery"]

DRAWINGS = {
    "price_paid": distributions.price_paid,
    "list_price": distributions.list_price,
    "discount": distributions.discount,
    "rating": distributions.rating,
    "rating_count": distributions.rating_count,
    "price_and_rating": relations.price_and_rating,
    "rating_count_and_rating": relations.rating_count_and_rating,
    "discount_and_rating": relations.discount_and_rating,
    "list_price_and_price_paid": relations.list_price_and_price_paid,
    "price_by_rating_level": levels.price_by_rating_level,
    "discount_by_rating_level": levels.discount_by_rating_level,
    "review_correlations": relations.review_correlations,
    "categories_by_products": categories.categories_by_products,
    "categories_by_rating": categories.categories_by_rating,
    "categories_by_discount": categories.categories_by_discount,
    "reviews_over_time": history.reviews_over_time,
    "rejected_rows": history.rejected_rows,
}
"""All plots of the stage, in display order."""


def review_gallery(data: ReviewData) -> Gallery:
    """The plots of `data`, rendered."""
    return gallery("reviews", DRAWINGS, data)
