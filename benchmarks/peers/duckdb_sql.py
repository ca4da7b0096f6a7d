"""The tables by hand-written DuckDB SQL, with the rules of this project and none of its code.

python -m benchmarks.peers.duckdb_sql --landing data/landing --out /tmp/out --temporary /tmp/spill
"""

from pathlib import Path

import duckdb

from benchmarks.peers.task import CLEANED, FEATURES, REJECTED, Task, perform

_ITEMS = """
CREATE TEMP TABLE items AS
WITH stated AS (
    SELECT parent_asin AS item_id, nullif(main_category, '') AS category,
           CASE WHEN trim(price) NOT IN ('', 'None') THEN trim(price) END AS price
    FROM {items} WHERE parent_asin <> ''
), priced AS (
    SELECT item_id, category,
           CASE WHEN regexp_matches(price, {money})
                THEN CAST(floor(CAST(regexp_replace(price, '[^0-9.]', '', 'g') AS DOUBLE) * 100 + 0.5) AS BIGINT)
           END AS minor,
           CASE left(price, 1) WHEN '₹' THEN 'INR' WHEN '€' THEN 'EUR' WHEN '£' THEN 'GBP' WHEN '¥' THEN 'JPY'
                ELSE 'USD' END AS currency
    FROM stated
), known AS (
    SELECT item_id, category, CASE WHEN minor > 0 THEN minor END AS item_minor,
           CASE WHEN minor > 0 THEN currency END AS item_currency
    FROM priced
)
SELECT * FROM known
QUALIFY row_number() OVER (
    PARTITION BY item_id ORDER BY item_minor NULLS LAST, item_currency NULLS LAST, category NULLS LAST) = 1
"""

_REJECTED = """
COPY (
    SELECT exports.source_file, exports.batch, file_row_number + 1 AS row_number,
           CASE WHEN coalesce(user_id, '') = '' THEN 'the user id is empty'
                WHEN timestamp IS NULL THEN 'the review id is empty'
                ELSE 'the item id is empty' END AS reason,
           user_id, CAST('0x' || left(md5(user_id), 8) AS BIGINT) AS user_hash, parent_asin AS item_id,
           coalesce(parent_asin, '') || '@' || timestamp AS review_id, CAST(rating AS VARCHAR) AS rating,
           NULL::VARCHAR AS rating_count, NULL::VARCHAR AS paid_price, NULL::VARCHAR AS list_price,
           NULL::VARCHAR AS discount_percent, NULL::VARCHAR AS currency, NULL::VARCHAR AS category,
           CAST(timestamp AS VARCHAR) AS reviewed_at
    FROM {reviews} JOIN exports USING (filename)
    WHERE coalesce(user_id, '') = '' OR coalesce(parent_asin, '') = '' OR timestamp IS NULL
) TO {path} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)
"""

_CLEANED = """
COPY (
    WITH once AS (
        SELECT user_id, parent_asin AS item_id, timestamp,
               max(CASE WHEN floor(rating * 10 + 0.5) BETWEEN 10 AND 50
                         AND abs(rating * 10 - floor(rating * 10 + 0.5)) < 1e-4
                        THEN CAST(floor(rating * 10 + 0.5) AS BIGINT) END) AS rating_tenths,
               count(rating) = count(*) AS every_rating_stated,
               count(*) - 1 AS duplicate_count
        FROM {reviews}
        WHERE user_id <> '' AND parent_asin <> '' AND timestamp IS NOT NULL
        GROUP BY user_id, parent_asin, timestamp
    )
    SELECT user_id, CAST('0x' || left(md5(user_id), 8) AS BIGINT) AS user_hash, item_id,
           item_id || '@' || timestamp AS review_id, rating_tenths, NULL::BIGINT AS rating_count,
           item_minor AS paid_minor, NULL::BIGINT AS list_minor, NULL::BIGINT AS discount_bp,
           item_currency AS currency, category,
           CASE WHEN timestamp >= 0 AND timestamp < 100000000000000 THEN timestamp END AS reviewed_at_ms,
           nullif(concat_ws(',', CASE WHEN rating_tenths IS NULL AND every_rating_stated THEN 'rating' END,
                            CASE WHEN timestamp < 0 OR timestamp >= 100000000000000 THEN 'reviewed_at' END), '')
               AS unreadable,
           duplicate_count
    FROM once LEFT JOIN items USING (item_id)
) TO {path} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)
"""

_FEATURES = """
COPY (
    WITH reviews AS (
        SELECT *, CASE WHEN reviewed_at_ms // 86400000 > {as_of_day} THEN {as_of_day}
                       ELSE reviewed_at_ms // 86400000 END AS day,
               CAST(floor((ln(paid_minor + 100.0) - ln(100)) * 1000 + 0.5) AS BIGINT) AS log_paid
        FROM read_parquet({cleaned})
    ), measured AS (
        SELECT *, {as_of_day} - day AS age, date_part('year', DATE '1970-01-01' + CAST(day AS INTEGER)) * 12
                  + date_part('month', DATE '1970-01-01' + CAST(day AS INTEGER)) AS month
        FROM reviews
    ), sums AS (
        SELECT user_id, min(user_hash) AS user_hash, count(*) AS total_reviews,
               count(rating_tenths) AS rated_reviews, count(discount_bp) AS discounted_reviews,
               count(paid_minor) AS priced_reviews,
               count(*) FILTER (reviewed_at_ms // 86400000 > {as_of_day}) AS future_reviews,
               coalesce(CAST(sum(rating_tenths) AS BIGINT), 0) AS rating_tenths_sum,
               coalesce(CAST(sum(rating_tenths * rating_tenths) AS BIGINT), 0) AS rating_square_sum,
               coalesce(CAST(sum(discount_bp) AS BIGINT), 0) AS discount_bp_sum,
               coalesce(CAST(sum(discount_bp * discount_bp) AS BIGINT), 0) AS discount_square_sum,
               coalesce(CAST(sum(paid_minor) AS BIGINT), 0) AS paid_minor_sum,
               coalesce(CAST(sum(log_paid) AS BIGINT), 0) AS log_paid_sum,
               coalesce(CAST(sum(log_paid * log_paid) AS BIGINT), 0) AS log_paid_square_sum,
               min(reviewed_at_ms) AS first_reviewed_at_ms, max(reviewed_at_ms) AS last_reviewed_at_ms,
               min(age) AS recency_days, max(age) AS tenure_days,
               nullif(count(DISTINCT month), 0) AS active_months,
               CAST(sum(rating_tenths * CAST(
                   floor(exp((day - {reference}) * (ln(2) / 180)) * (110192001 / 7.0::DOUBLE) + 0.5) AS BIGINT)
               ) AS DOUBLE)
                   / (50 * (110192001 / 7.0::DOUBLE) * pow(2, ({as_of_day} - {reference}) / 180.0::DOUBLE))
                   AS recent_engagement
        FROM measured GROUP BY user_id
    ), averages AS (
        SELECT *, rating_tenths_sum / (nullif(rated_reviews, 0) * 10.0::DOUBLE) AS avg_rating,
               discount_bp_sum / (nullif(discounted_reviews, 0) * 100.0::DOUBLE) AS avg_discount,
               paid_minor_sum / (nullif(priced_reviews, 0) * 100.0::DOUBLE) AS avg_spend
        FROM sums
    )
    SELECT user_id, user_hash, total_reviews, avg_rating, avg_discount, avg_spend,
           total_reviews * avg_rating AS engagement_score, recent_engagement, recency_days, tenure_days, active_months,
           CASE WHEN recency_days IS NULL THEN NULL WHEN tenure_days <= 90 THEN 'new'
                WHEN recency_days <= 180 THEN 'active' WHEN recency_days <= 365 THEN 'lapsing' ELSE 'lapsed' END
               AS lifecycle_stage,
           rated_reviews, discounted_reviews, priced_reviews, future_reviews, rating_tenths_sum, rating_square_sum,
           discount_bp_sum, discount_square_sum, paid_minor_sum, log_paid_sum, log_paid_square_sum,
           first_reviewed_at_ms, last_reviewed_at_ms, DATE '1970-01-01' + {as_of_day} AS as_of
    FROM averages
) TO {path} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)
"""

_LINES = """
CREATE TEMP TABLE lines AS
SELECT user_id, parent_asin, rating, timestamp, filename,
       row_number() OVER () AS number
FROM read_json({reviews}, format = 'newline_delimited', ignore_errors = true, filename = true, columns =
    {{user_id: 'VARCHAR', parent_asin: 'VARCHAR', rating: 'DOUBLE', timestamp: 'BIGINT'}})
"""
_NUMBERED_LINES = """(
    SELECT lines.*, number - first AS file_row_number
    FROM lines JOIN (SELECT filename, min(number) AS first FROM lines GROUP BY filename) USING (filename))"""
_ITEM_LINES = """read_json({items}, format = 'newline_delimited', ignore_errors = true, columns =
    {{parent_asin: 'VARCHAR', main_category: 'VARCHAR', price: 'VARCHAR'}})"""

_MONEY = (
    "^(?:[₹$€£¥] ?)?(?:[0-9]{1,12}|[0-9]{1,3}(?:,[0-9]{3}){1,3}|[0-9]{1,2}(?:,[0-9]{2}){1,4},[0-9]{3})"
    r"(?:\.[0-9]{1,2})?$"
)


def write_tables(task: Task) -> None:
    """Writes cleaned, rejected and user_features."""
    exports = task.reviews
    reviews = f"read_parquet({_list([e.path for e in exports])}, filename = true, file_row_number = true)"
    items = f"read_parquet({_list(task.items)})"
    cleaned = task.out / CLEANED
    with duckdb.connect(
        config={
            "threads": task.threads,
            "memory_limit": f"{task.memory_mib}MiB",
            "temp_directory": str(task.temporary),
            "preserve_insertion_order": False,
        }
    ) as connection:
        connection.execute("CREATE TEMP TABLE exports (filename VARCHAR, source_file VARCHAR, batch VARCHAR)")
        connection.executemany(
            "INSERT INTO exports VALUES (?, ?, ?)", [(str(e.path), e.source_file, e.batch) for e in exports]
        )
        if task.is_json:
            connection.execute(_LINES.format(reviews=_list([export.path for export in exports])))
            reviews, items = "lines", _ITEM_LINES.format(items=_list(task.items))
        connection.execute(_ITEMS.format(items=items, money=f"'{_MONEY}'"))
        numbered = _NUMBERED_LINES if task.is_json else reviews
        connection.execute(_REJECTED.format(reviews=numbered, path=f"'{task.out / REJECTED}'"))
        connection.execute(_CLEANED.format(reviews=reviews, path=f"'{cleaned}'"))
        newest = connection.execute(f"SELECT max(reviewed_at_ms) // 86400000 FROM '{cleaned}'").fetchall()[0][0]
        connection.execute(
            _FEATURES.format(
                cleaned=f"'{cleaned}'",
                as_of_day=newest,
                reference=newest // 1800 * 1800,
                path=f"'{task.out / FEATURES}'",
            )
        )


def _list(paths: list[Path]) -> str:
    return str([str(path) for path in paths])


if __name__ == "__main__":
    perform(write_tables)
