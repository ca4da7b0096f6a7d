"""Challengers: ids, names and lineage, warm and cold starts, and when one is trained.

Over 250 lines: the cases share one trained champion.
"""

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from amzseg_pipeline.contracts.errors import ModelError
from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.contracts.promotion import Challenger, Drift, PendingModel, PromotionReport, PromotionState
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.segments import (
    challenger,
    promotion_report,
    scaled_features,
    scored_users,
    training_reason,
    training_reference,
)
from amzseg_pipeline.steps.segments.model.serialization import model_document, model_from_document, model_version
from amzseg_pipeline_tests.steps.segments.users import (
    TRAINED_AT,
    as_json,
    scaling_of,
    three_types,
    untrained_model,
    users_of,
    with_sums,
)

QUICK: dict[str, Any] = {"k_min": 2, "k_max": 4, "n_init": 2, "prediction_splits": 2, "jaccard_bootstraps": 1}
NOW = datetime(2026, 1, 20, 2, tzinfo=UTC)
NO_DRIFT = Drift("", 0, (), (), (), "")
DRIFT = replace(NO_DRIFT, triggers=("PSI of avg_spend is 0.90",))


def challenged(
    users: pd.DataFrame,
    champion: Model | None = None,
    before: pd.Series | None = None,
    *,
    drift: Drift = NO_DRIFT,
    first_segment_number: int = 1,
    **settings: Any,
) -> Challenger:
    """A challenger trained on `users`; their previous segments are `before`, else those of the champion."""
    used = Settings(**{**QUICK, "k": 3, "lineage_users": 1, **settings})
    scaling = scaling_of(users, transform=used.transform)
    if before is None and champion is not None:
        before = scored_users(users, champion, as_of=NOW.date())["segment_id"].set_axis(users.index)
    sample = users.assign(before_segment_id=before)
    scaled = scaled_features(users, scaling)
    return challenger(
        scaled,
        sample,
        scaling,
        used,
        champion=champion,
        first_segment_number=first_segment_number,
        drift=drift,
        reason="test",
        trained_at=TRAINED_AT,
        jobs=1,
    )


USERS = three_types(200)


@cache
def first_model() -> Model:
    return challenged(USERS).model


def test_the_champion_is_measured_on_the_users_of_the_run() -> None:
    others = three_types(150)
    found = challenged(others, first_model())
    assert found.champion_reference == training_reference(others, first_model())
    assert challenged(USERS).champion_reference is None


def decided(found: Challenger, champion: Model, **settings: Any) -> PromotionReport:
    used = Settings(**{**QUICK, "k": 3, **settings})
    sure = replace(champion, choice=replace(champion.choice, confidence="high"))
    state = PromotionState(challenger_settings=used.model_hash, runs_since_promotion=9)
    return promotion_report(sure, found, NO_DRIFT, state, used, now=NOW)


def test_a_first_model_can_number_its_segments_above_those_of_a_sample() -> None:
    found = challenged(USERS, first_segment_number=4).model
    assert [segment.segment_id for segment in found.segments] == ["S0004", "S0005", "S0006"]
    assert found.next_segment_number == 7
    assert [segment.centroid for segment in found.segments] == [segment.centroid for segment in first_model().segments]
    assert model_from_document(as_json(model_document(found)), location="model.json") == found


def test_the_first_model_carries_the_state_for_later_runs() -> None:
    found = challenged(USERS)
    assert (found.start, found.comparison) == ("cold", None)
    assert found.model.next_segment_number == 4
    assert found.model.lineage == ()
    assert found.model.reference.users == 200
    assert sum(found.model.reference.segment_users) == 200


def test_retraining_on_the_same_users_moves_no_user() -> None:
    again = challenged(USERS, first_model())
    assert (again.start, again.model.version) == ("warm", first_model().version)
    assert (again.comparison.adjusted_rand, again.comparison.moved_share) == (1.0, 0.0)
    assert decided(again, first_model()).decision == "KEEP"
    assert {d.event for d in again.model.lineage} == {"kept"}


def test_order_of_users_and_segments_does_not_change_a_challenger() -> None:
    grown = three_types(240, seed=8)
    champion = shuffled_ids(first_model())
    expected = challenged(grown, champion)
    assert challenged(grown.sample(frac=1, random_state=5), champion) == expected


def shuffled_ids(model: Model) -> Model:
    """The same segments under other ids in another order."""
    renamed = {"S0001": "S0007", "S0002": "S0005", "S0003": "S0006"}
    segments = sorted(
        (replace(segment, segment_id=renamed[segment.segment_id]) for segment in model.segments),
        key=lambda segment: segment.segment_id,
    )
    return replace(model, segments=tuple(segments), version=model_version(model.scaling, segments))


def test_segments_keep_ids_and_names_whatever_their_order() -> None:
    champion = shuffled_ids(first_model())
    named = {segment.segment_id: segment.name for segment in champion.segments}
    found = challenged(three_types(240, seed=8), champion).model
    assert {segment.segment_id: segment.name for segment in found.segments} == named
    assert [segment.segment_id for segment in found.segments] == sorted(named)
    assert found.next_segment_number == 8
    assert sum(found.reference.segment_users) == 240


def test_a_name_stays_with_its_users() -> None:
    swapped = {"Deal Seekers": "Casual Buyers", "Casual Buyers": "Deal Seekers"}
    segments = tuple(replace(s, name=swapped.get(s.name, s.name)) for s in first_model().segments)
    champion = replace(first_model(), segments=segments, version=model_version(first_model().scaling, segments))
    found = challenged(USERS, champion).model
    assert {s.segment_id: s.name for s in found.segments} == {s.segment_id: s.name for s in segments}


def test_a_new_segment_gets_a_new_id_and_name() -> None:
    found, names = challenged(USERS, first_model(), k=4), {s.segment_id: s.name for s in first_model().segments}
    ids = {segment.segment_id: segment.name for segment in found.model.segments}
    assert len(ids) == len(set(ids.values())) == 4
    new = set(ids) - set(names)
    assert new <= {"S0004", "S0005"}
    assert all(ids[segment_id] == names[segment_id] for segment_id in set(ids) & set(names))
    report = decided(found, first_model(), k=4)
    assert report.decision in {"HOLD", "REJECT"}
    assert "same_segments" in {criterion.name for criterion in report.criteria if criterion.result == "failed"}


def test_fewer_segments_keep_the_ids_of_survivors() -> None:
    found = challenged(USERS, first_model(), k=2).model
    assert {segment.segment_id for segment in found.segments} <= {"S0001", "S0002", "S0003", "S0004", "S0005"}
    assert {d.event for d in found.lineage} & {"merged", "died"}
    assert decided(challenged(USERS, first_model(), k=2), first_model(), k=2).decision in {"HOLD", "REJECT"}


def test_lineage_follows_users_when_all_prices_change() -> None:
    doubled = with_sums(USERS.assign(avg_spend=USERS["avg_spend"] * 3))
    previous_run = scored_users(USERS, first_model(), as_of=NOW.date())["segment_id"].set_axis(USERS.index)
    found = challenged(doubled, first_model(), previous_run).model
    now = scored_users(doubled, found, as_of=NOW.date())["segment_id"].set_axis(USERS.index)
    assert (now == previous_run).mean() > 0.95


def test_a_warm_start_works_with_a_new_or_lost_feature() -> None:
    champion = challenged(USERS.assign(avg_discount=np.nan, discounted_reviews=0)).model
    assert len(champion.scaling.features) == 4
    found = challenged(USERS, champion)
    assert len(found.model.scaling.features) == 5
    assert found.comparison.champion_k == 3
    back = challenged(USERS.assign(avg_discount=np.nan, discounted_reviews=0), first_model())
    assert len(back.model.scaling.features) == 4


def grown(users: int, *, price_factor: float = 1.0) -> pd.DataFrame:
    """USERS and `users` new users of the same types who pay `price_factor` times as much."""
    new = three_types(users, seed=21).assign(user_id=lambda frame: "new " + frame["user_id"])
    return pd.concat([USERS, with_sums(new.assign(avg_spend=new["avg_spend"] * price_factor))], ignore_index=True)


def test_without_drift_the_scaling_stays_and_no_user_moves() -> None:
    found = challenged(grown(100, price_factor=1.2), first_model())
    assert found.start == "warm"
    assert found.model.scaling.features == first_model().scaling.features
    assert found.model.scaling.users == 300
    before, now = (
        scored_users(USERS, model, as_of=NOW.date())["segment_id"].astype(str) for model in (first_model(), found.model)
    )
    assert (before == now).all()


def test_with_drift_the_scaling_is_fitted_again() -> None:
    other = grown(200, price_factor=4.0)
    expected = scaling_of(other, transform="log").features
    found = challenged(other, first_model(), drift=DRIFT)
    assert found.model.scaling.features == expected


def test_another_transform_has_its_own_scaling() -> None:
    found = challenged(USERS, first_model(), transform="none")
    assert found.model.scaling.transform == "none"
    assert found.model.scaling.features == scaling_of(USERS, transform="none").features


def test_a_cold_start_wins_only_if_it_is_much_better() -> None:
    far = tuple(
        replace(s, centroid=(50.0 + i, *s.centroid[1:])) if i < 2 else s for i, s in enumerate(first_model().segments)
    )
    stuck = replace(first_model(), segments=far, version=model_version(first_model().scaling, far))
    kept, cold = (challenged(USERS, stuck, cold_start_gain=gain) for gain in (1.0, 0.0))
    assert kept.start == "warm"
    assert cold.model.inertia <= kept.model.inertia


@pytest.mark.parametrize("users", [1, 2, 3, 8])
def test_few_users_are_enough(users: int) -> None:
    few = three_types(users, unknown=0)
    champion = challenged(few, k=0).model
    assert challenged(few, champion, k=0).comparison.moved_share == 0
    assert len(challenged(three_types(30), champion, k=3).model.segments) == 3


def test_a_sample_of_other_users_is_refused() -> None:
    scaling = scaling_of(USERS, transform="log")
    with pytest.raises(ModelError, match="not those of the training sample"):
        challenger(
            scaled_features(USERS, scaling),
            USERS.tail(199),
            scaling,
            Settings(),
            champion=None,
            drift=NO_DRIFT,
            reason="",
            trained_at=TRAINED_AT,
            jobs=1,
        )


SETTINGS = Settings()
WEEK_OLD = PromotionState(challenger_trained_at="2026-01-13T02:00:30+00:00", challenger_settings=SETTINGS.model_hash)
SIX_DAYS_OLD = replace(WEEK_OLD, challenger_trained_at="2026-01-14T01:59:00+00:00")
DRIFTING = replace(WEEK_OLD, challenger_trained_at="2026-01-18T02:00:00+00:00", drift_runs=1)
CHAMPION = untrained_model()
PENDING = replace(SIX_DAYS_OLD, pending=PendingModel(CHAMPION, PromotionReport("HOLD", "", CHAMPION.version, "", ())))


@pytest.mark.parametrize(
    ("champion", "promotion_state", "drift", "forced", "expected"),
    [
        (None, PromotionState(), NO_DRIFT, False, (True, "there is no champion yet")),
        (CHAMPION, SIX_DAYS_OLD, NO_DRIFT, False, (False, "the last challenger is 6 days old")),
        (CHAMPION, WEEK_OLD, NO_DRIFT, False, (True, "the last challenger is 7 days old")),
        (CHAMPION, SIX_DAYS_OLD, NO_DRIFT, True, (True, "requested by the run")),
        (CHAMPION, SIX_DAYS_OLD, DRIFT, False, (True, "drift: PSI of avg_spend")),
        (CHAMPION, replace(SIX_DAYS_OLD, challenger_settings=""), NO_DRIFT, False, (True, "the settings")),
        (CHAMPION, PENDING, DRIFT, False, (True, "drift")),
        (CHAMPION, DRIFTING, DRIFT, False, (False, "drift triggers one after 3")),
        (CHAMPION, replace(DRIFTING, drift_runs=0), DRIFT, False, (True, "drift")),
        (
            CHAMPION,
            replace(PENDING, challenger_trained_at=WEEK_OLD.challenger_trained_at),
            DRIFT,
            False,
            (True, "7 days"),
        ),
        (replace(CHAMPION, version="later"), PENDING, DRIFT, False, (True, "drift")),
        (CHAMPION, PromotionState(), NO_DRIFT, False, (True, "the settings")),
    ],
    ids=[
        "the first run",
        "too early",
        "a week later, half a minute early",
        "forced",
        "drift",
        "other settings",
        "drift while one is pending",
        "drift two days after the last challenger",
        "drift begins two days after the last challenger",
        "a week later while one is pending",
        "drift while one is pending for another champion",
        "settings unknown",
    ],
)
def test_reasons_to_train_a_challenger(champion, promotion_state, drift, forced, expected) -> None:
    is_due, reason = training_reason(champion, promotion_state, drift, SETTINGS, now=NOW, training_requested=forced)
    assert is_due == expected[0]
    assert expected[1] in reason


def test_a_group_that_joined_a_segment_for_a_while_does_not_take_its_id() -> None:
    regulars = three_types(200, unknown=0)
    champion = challenged(regulars, k=2).model
    own = scored_users(regulars, champion, as_of=NOW.date())["segment_id"]
    joined = own.value_counts().index[0]
    members = int((own == joined).sum())
    rng = np.random.default_rng(3)
    newcomers = users_of([(1, 2.0, round(d, 2), 90_000.0) for d in rng.normal(50, 1, members - 5)])
    users = pd.concat([regulars, newcomers.assign(user_id="new " + newcomers["user_id"])], ignore_index=True)
    before = pd.Series([*own, *[joined] * len(newcomers)], index=users.index)
    since = pd.Series(["2020-01-01"] * 200 + ["2026-01-19"] * len(newcomers), index=users.index)

    def segments_of_newcomers(**columns: pd.Series) -> set[str]:
        found = challenged(users.assign(**columns), champion, before, k=4, lineage_overlap=0.3).model
        return set(scored_users(users.tail(len(newcomers)), found, as_of=NOW.date())["segment_id"])

    assert joined in segments_of_newcomers()
    assert joined not in segments_of_newcomers(before_segment_since=since)
