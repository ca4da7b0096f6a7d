"""Amazon Fine Food Reviews (McAuley and Leskovec, WWW 2013), the CSV of Kaggle. `Time` is in seconds."""

from amzseg_pipeline.storage.landing.formats.tabular import TableLayout, tabular_format

FINE_FOOD_REVIEWS = tabular_format(
    name="Amazon Fine Food Reviews",
    version="finefood3",
    layout=TableLayout(
        columns={"UserId": "user_id", "ProductId": "item_id", "Score": "rating", "Time": "reviewed_at"},
        time_unit="seconds",
    ),
    ignored=("Id", "ProfileName", "HelpfulnessNumerator", "HelpfulnessDenominator", "Summary", "Text"),
)
