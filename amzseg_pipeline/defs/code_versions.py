"""The version of each stage's code: a hash of the source files that decide its result.

Nobody has to remember to raise a number, and a night after an upgrade runs even without new data.
"""

import hashlib
from pathlib import Path

_PACKAGE = Path(__file__).parent.parent

_SOURCES = {
    "reviews": (
        *(
            "contracts/reviews.py",
            "steps/reviews",
            "storage/landing",
            "storage/engines",
            "storage/parquet/user_hash.py",
        ),
        *(
            "steps/pseudonyms.py",
            "storage/warehouse/partitioning.py",
            "storage/warehouse/cleaned_reviews.py",
            "defs/assets/reviews.py",
        ),
    ),
    "users": ("contracts/users.py", "steps/users.py", "storage/warehouse/cleaned_reviews.py", "defs/assets/users.py"),
    "segments": (
        *("contracts/segments.py", "contracts/model.py", "contracts/history.py", "contracts/promotion.py"),
        *("steps/segments", "storage/previous_run.py", "defs/assets/segments.py", "defs/assets/models.py"),
    ),
    "publish": (
        "contracts/publish.py",
        "storage/parquet/arrow_schema.py",
        "storage/snapshots",
        "defs/assets/publish.py",
    ),
}


def _source_hash(places: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for place in places:
        path = _PACKAGE / place
        for source in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(source.relative_to(_PACKAGE).as_posix().encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


CODE_VERSIONS = {stage: _source_hash(places) for stage, places in _SOURCES.items()}
"""Stage -> code version of its assets."""

EDA_CODE_VERSION = _source_hash(
    ("presentation/palette.py", "steps/figures", "storage/serving/plots.py", "defs/assets/eda.py"),
)
"""The code version of the plots. It is no part of CODE_VERSION: other plots are no reason to segment again."""

CODE_VERSION = hashlib.sha256("".join(CODE_VERSIONS.values()).encode()).hexdigest()[:16]
"""The code version of the whole pipeline, as it stands in the manifest."""
