"""From raw reviews to cleaned and rejected ones."""

from amzseg_pipeline.steps.reviews.cleaning import checked_reviews, cleaned_reviews, rejected_reviews, review_accounts

__all__ = ["checked_reviews", "cleaned_reviews", "rejected_reviews", "review_accounts"]
