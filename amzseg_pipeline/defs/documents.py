"""Assets that are JSON documents of the warehouse: how each type is written and read.

An asset may read the document of an asset that is upstream of it anyway, without an edge of its own in the asset graph.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

from amzseg_pipeline.contracts.model import FeatureScaling, Model
from amzseg_pipeline.contracts.promotion import Challenger, Drift, PromotionReport
from amzseg_pipeline.steps.reviews import RowReconciliation
from amzseg_pipeline.steps.segments.model.serialization import (
    document,
    feature_scaling_document,
    feature_scaling_from_document,
    from_document,
    model_document,
    model_from_document,
)
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.landing import RawReviews, raw_reviews_document, raw_reviews_from_document
from amzseg_pipeline.storage.parquet.partitions import TableParts, table_parts_document, table_parts_from_document
from amzseg_pipeline.storage.warehouse.catalog import document_path, read_document
from amzseg_pipeline.storage.warehouse.cleaned_reviews import (
    CleanedReviews,
    cleaned_reviews_document,
    cleaned_reviews_from_document,
)

_T = TypeVar("_T")

_PLAIN_DOCUMENTS = (RowReconciliation, Drift, Challenger, PromotionReport)

DOCUMENTS: dict[type, tuple[Callable[..., dict[str, Any]], Callable[..., object]]] = {
    RawReviews: (raw_reviews_document, raw_reviews_from_document),
    CleanedReviews: (cleaned_reviews_document, cleaned_reviews_from_document),
    TableParts: (table_parts_document, table_parts_from_document),
    FeatureScaling: (feature_scaling_document, feature_scaling_from_document),
    Model: (model_document, model_from_document),
    **{type_: (document, partial(from_document, type_=type_)) for type_ in _PLAIN_DOCUMENTS},
}
"""Types stored as a JSON document, with writer and reader. For a table in parts the document is its index."""


def upstream_document(data_root: DataRoot, name: str, document_type: type[_T]) -> _T:
    """The document of the asset `name`, as its latest materialization stored it."""
    _, from_json = DOCUMENTS[document_type]
    return cast(_T, read_document(document_path(data_root.warehouse, name), from_json))
