"""Amazon Customer Reviews of AWS: a TSV without quoting, with one review per line and the day of the review."""

from amzseg_pipeline.storage.landing.formats.tabular import TableLayout, tabular_format

AWS_CUSTOMER_REVIEWS = tabular_format(
    name="AWS Customer Reviews",
    version="awsreviews3",
    layout=TableLayout(
        columns={
            "customer_id": "user_id",
            "product_id": "item_id",
            "review_id": "review_id",
            "star_rating": "rating",
            "product_category": "category",
            "review_date": "reviewed_at",
        }
    ),
    has_quotes=False,
    required=("customer_id", "product_id", "review_id", "star_rating"),
    ignored=(
        "marketplace",
        "product_parent",
        "product_title",
        "helpful_votes",
        "total_votes",
        "vine",
        "verified_purchase",
        "review_headline",
        "review_body",
    ),
)
