"""From raw reviews to cleaned and rejected ones, every row accounted for."""

from amzseg_pipeline.steps.reviews.accounts import Accounts, accounts
from amzseg_pipeline.steps.reviews.cleaning import checked_reviews, cleaned_reviews, rejected_reviews
from amzseg_pipeline.steps.reviews.row_band import RowBand

__all__ = ["Accounts", "RowBand", "accounts", "checked_reviews", "cleaned_reviews", "rejected_reviews"]
