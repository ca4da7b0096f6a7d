"""The JSON documents of the API, derived from the contracts of the tables."""

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from amzseg_pipeline.contracts.schema import Column, Table
from amzseg_pipeline.contracts.scoring import MAX_REVIEWS, MAX_SPEND, MAX_USER_ID_CHARACTERS
from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS, SEGMENT_PROFILES

MAX_USERS_TO_SCORE = 1_000

_TYPES: dict[str, type] = {"string": str, "int64": int, "float64": float, "bool": bool, "date": date}


def _row_document(name: str, table: Table) -> type[BaseModel]:
    fields: dict[str, Any] = {
        column.name: (_type(column), Field(description=_description(column))) for column in table.columns
    }
    return create_model(name, __doc__=table.description, **fields)


def _type(column: Column) -> Any:
    return _TYPES[column.type] | None if column.nullable else _TYPES[column.type]


def _description(column: Column) -> str:
    return f"{column.description} ({column.unit})" if column.unit else column.description


SegmentDocument = _row_document("Segment", SEGMENT_PROFILES)
UserDocument = _row_document("User", SEGMENT_ASSIGNMENTS)


class SnapshotDocument(BaseModel):
    """The latest published snapshot."""

    sequence: int = Field(description="number of the snapshot")
    run_id: str = Field(description="run that published it")
    created: datetime = Field(description="time of publishing, UTC")
    contract_version: str = Field(description="version of the contract of its tables")
    model_version: str = Field(description="model that scored the users")
    currency: str | None = Field(description="ISO 4217 code of avg_spend")
    users: int = Field(description="published users")
    segments: int = Field(description="segments")


class UserPage(BaseModel):
    """Users of a segment, sorted by user_id."""

    users: list[UserDocument]  # type: ignore[valid-type]
    next_after: str | None = Field(description="`after` of the next page; null on the last page")


class UserToScore(BaseModel):
    """The features of a user. engagement_score is derived: total_reviews x avg_rating."""

    model_config = ConfigDict(extra="forbid", strict=True)

    user_id: str = Field("", max_length=MAX_USER_ID_CHARACTERS, description="returned unchanged")
    total_reviews: int = Field(ge=1, le=MAX_REVIEWS, description="reviews written")
    avg_rating: Annotated[float, Field(ge=1, le=5)] | None = Field(None, description="mean rating (stars)")
    avg_discount: Annotated[float, Field(ge=0, le=100)] | None = Field(None, description="mean discount (percent)")
    avg_spend: Annotated[float, Field(ge=0, le=MAX_SPEND)] | None = Field(None, description="mean price paid")
    rated_reviews: Annotated[int, Field(ge=0)] | None = Field(None, description="reviews behind avg_rating, if known")
    discounted_reviews: Annotated[int, Field(ge=0)] | None = Field(None, description="reviews behind avg_discount")
    priced_reviews: Annotated[int, Field(ge=0)] | None = Field(None, description="reviews behind avg_spend")
    typical_price: Annotated[float, Field(ge=0, le=MAX_SPEND)] | None = Field(
        None, description="exp(mean of ln(1 + price)) - 1, if known; otherwise avg_spend is taken for it"
    )


class UsersToScore(BaseModel):
    """One or more users."""

    model_config = ConfigDict(extra="forbid")

    users: list[UserToScore] = Field(min_length=1, max_length=MAX_USERS_TO_SCORE)


class ScoredUserDocument(BaseModel):
    """The segment of a user by the model of the snapshot."""

    user_id: str
    segment_id: str
    segment_name: str
    second_segment_id: str | None = Field(description="nearest other segment; null if there is only one")
    margin: float | None = Field(description="0 undecided, 1 certain; null if there is only one segment")
    distance: float = Field(description="distance to the centre of the segment (standard deviations)")
    is_outlier: bool = Field(description="farther out than 99.5% of the segment's training users")
    is_low_evidence: bool = Field(description="one review only")
    driver_1: str | None = Field(description="feature that decided most")
    driver_2: str | None = None
    driver_3: str | None = None


class ScoredUsers(BaseModel):
    """Scores in the order of the request."""

    sequence: int
    model_version: str
    users: list[ScoredUserDocument]
