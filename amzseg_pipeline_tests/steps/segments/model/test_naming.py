import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amzseg_pipeline.contracts.errors import ModelError
from amzseg_pipeline.contracts.model import FeatureScaling
from amzseg_pipeline.contracts.personas import PERSONAS
from amzseg_pipeline.contracts.users import FEATURES
from amzseg_pipeline.steps.segments.features.scaling import feature_scaling
from amzseg_pipeline.steps.segments.model.naming import max_segments, named_segments
from amzseg_pipeline_tests.steps.segments.users import three_types

CORE = {"Premium Loyalists", "Deal Seekers", "Casual Buyers"}
OF_DISCOUNTS = {persona.name for persona in PERSONAS if "discount" in persona.claims}
CLAIMED = {"engagement": "total_reviews", "spend": "avg_spend", "discount": "avg_discount", "rating": "avg_rating"}
CORE_POSITIONS = np.array([(2.4, 0.3, 0.1, 0.9, 2.6), (-0.3, -0.2, 0.9, -0.6, -0.3), (-0.5, 0.1, -0.8, 0.1, -0.5)])
USERS = three_types(50)


def scaling_without(*dropped: str) -> FeatureScaling:
    return feature_scaling(
        USERS.assign(**{name: None for name in dropped if name != "total_reviews"}), transform="none"
    )


ALL = scaling_without()
NO_DISCOUNTS = scaling_without("avg_discount")
ONLY_RATINGS = scaling_without("avg_discount", "avg_spend")

PUBLISHED_MEANS = {
    "Casual Buyers": (471, 1.042463, 4.230149, 27.286624, 4475.371189, 4.411040),
    "Deal Seekers": (652, 1.084356, 3.972239, 59.717791, 1162.124333, 4.319018),
    "Premium Loyalists": (69, 3.840580, 4.155072, 51.928209, 5328.534592, 15.940580),
}
"""Size and mean features of the segments of the notebook this pipeline starts from."""

PUBLISHED_SPREAD = (1.176, 0.294, 21.5, 6900.0, 4.83)
"""About the standard deviations of its 1,192 groups."""


def published_positions() -> np.ndarray:
    rows = np.array(list(PUBLISHED_MEANS.values()))
    population = np.average(rows[:, 1:], axis=0, weights=rows[:, 0])
    return (rows[:, 1:] - population) / PUBLISHED_SPREAD


def names_of(positions: Sequence[Sequence[float]] | np.ndarray, scaling: FeatureScaling = ALL) -> list[str]:
    return [named.persona.name for named in named_segments(np.array(positions, dtype=float), scaling)]


def positions_of(seed: int, k: int, features: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(scale=1.5, size=(k, features))


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_published_centroids_get_the_published_names_in_any_order(order: tuple[int, ...]) -> None:
    assert names_of(published_positions()[list(order)]) == [list(PUBLISHED_MEANS)[i] for i in order]


@given(st.integers(0, 2**32 - 1), st.integers(2, 10))
def test_names_are_unique(seed: int, k: int) -> None:
    assert len(set(names_of(positions_of(seed, k)))) == k


@given(st.integers(0, 2**32 - 1), st.integers(2, 10))
def test_core_names_are_used_first_where_they_are_true(seed: int, k: int) -> None:
    positions = np.vstack([CORE_POSITIONS, positions_of(seed, 7)])[:k]
    names = names_of(positions)
    assert set(names) <= CORE if k <= 3 else set(names) >= CORE


@given(st.integers(0, 2**32 - 1), st.integers(2, 4))
def test_no_name_makes_a_false_claim(seed: int, k: int) -> None:
    positions = positions_of(seed, k)
    named = named_segments(positions, ALL)
    for axis, feature in CLAIMED.items():
        for each, position in zip(named, positions[:, FEATURES.index(feature)], strict=True):
            assert axis not in each.persona.claims or getattr(each.persona, axis) * position >= 0


@pytest.mark.parametrize(
    ("position", "never"),
    [
        ((-0.1, 0.9, -0.2, 1.0, 0.4), {"Premium Loyalists", "Regular Shoppers", "High-Value Regulars"}),
        ((2.5, 0.0, 0.9, -0.4, 2.5), {"Premium Loyalists", "Delighted One-Timers", "Big-Ticket Buyers"}),
        ((2.0, -1.5, 0.0, 1.0, 1.5), {"Delighted One-Timers", "Delighted Bargain Hunters", "Satisfied Savers"}),
        ((-0.3, 0.3, -0.8, -0.9, 0.0), {"Deal Seekers", "Loyal Bargain Hunters", "Premium Deal Hunters"}),
    ],
    ids=["one review", "cheap prices", "low ratings", "full prices"],
)
def test_a_false_name_is_not_used(position: tuple[float, ...], never: set[str]) -> None:
    for k in range(2, 6):
        names = names_of(np.vstack([position, positions_of(k, k - 1)]))
        assert names[0] not in never


@pytest.mark.parametrize(
    ("position", "name"),
    [
        ((0.6, -0.4, 1.2, -0.8, 0.5), "Bargain Regulars"),
        ((0.5, 0.2, -1.1, 0.0, 0.5), "Full-Price Regulars"),
        ((2.2, -1.9, 0.0, 1.8, 2.2), "Critical Loyalists"),
        ((-0.2, 0.7, 0.5, -0.1, 0.0), "Delighted Bargain Hunters"),
        ((-0.2, -0.8, -0.2, 0.3, -0.3), "Lukewarm Shoppers"),
        ((-0.2, 0.0, 0.1, -1.0, -0.2), "Thrifty Shoppers"),
    ],
)
def test_a_segment_outside_the_core_gets_a_fitting_name(position: tuple[float, ...], name: str) -> None:
    assert names_of(np.vstack([CORE_POSITIONS, position]))[3] == name


@given(st.integers(0, 2**32 - 1), st.integers(2, 10), st.randoms())
def test_permuting_segments_permutes_their_names(seed: int, k: int, random) -> None:  # type: ignore[no-untyped-def]
    positions = positions_of(seed, k).round(0)
    order = random.sample(range(k), k)
    by_position = {(tuple(row), name) for row, name in zip(positions, names_of(positions), strict=True)}
    assert by_position == {(tuple(row), n) for row, n in zip(positions[order], names_of(positions[order]), strict=True)}


@given(st.integers(0, 2**32 - 1), st.integers(2, 10))
def test_names_do_not_mention_missing_discounts(seed: int, k: int) -> None:
    names = names_of(positions_of(seed, k, features=4), NO_DISCOUNTS)
    assert len(set(names)) == k
    assert not set(names) & OF_DISCOUNTS


@pytest.mark.parametrize(("scaling", "most"), [(ALL, 21), (NO_DISCOUNTS, 14), (ONLY_RATINGS, 7)])
def test_more_segments_than_names_are_refused(scaling: FeatureScaling, most: int) -> None:
    features = len(scaling.features)
    assert max_segments(scaling) == most
    assert len(set(names_of(positions_of(0, most, features), scaling))) == most
    with pytest.raises(ModelError, match=f"{most + 1} segments, but only {most} names.*set k to 0"):
        names_of(positions_of(0, most + 1, features), scaling)


def test_every_prototype_gets_its_own_name_and_fits_exactly() -> None:
    prototypes = np.array([(p.engagement, p.rating, p.discount, p.spend, p.engagement) for p in PERSONAS])
    named = named_segments(prototypes, ALL)
    assert [each.persona for each in named] == list(PERSONAS)
    assert [each.name_fit for each in named] == pytest.approx([1.0] * len(PERSONAS))


@pytest.mark.parametrize("position", [[0.0] * 5, [9.0, -9, 0, 3, 1], [1e-17] * 5])
def test_one_segment_is_all_customers(position: list[float]) -> None:
    (named,) = named_segments(np.array([position]), ALL)
    assert (named.persona.name, named.name_fit) == ("All Customers", 1.0)


@given(st.integers(0, 2**32 - 1), st.integers(1, 10))
def test_the_fit_is_a_share(seed: int, k: int) -> None:
    assert all(0 <= named.name_fit <= 1 for named in named_segments(positions_of(seed, k), ALL))


def test_the_fit_falls_from_the_prototype_to_the_average_customer() -> None:
    loyal = np.array([2.5, 0.3, 0.0, 1.0, 2.5])
    other = np.array([-0.5, 0.0, -0.7, 0.1, -0.5])
    fits = [
        named_segments(np.stack([part * loyal, other]), ALL)[0].name_fit for part in (1.0, 0.8, 0.6, 0.55, 0.5, 0.0)
    ]
    assert fits == sorted(fits, reverse=True)
    assert (fits[0], fits[-2], fits[-1]) == pytest.approx((1.0, 0.0, 0.0), abs=1e-12)


def test_an_extreme_spender_does_not_outweigh_all_else() -> None:
    assert names_of([[6.0, 0, 0, 0, 6.0], [-0.2, 0, 0.9, -0.5, -0.2], [-0.2, 0, -0.6, 400.0, -0.2]]) == [
        "Premium Loyalists",
        "Deal Seekers",
        "Casual Buyers",
    ]


@given(st.integers(0, 2**32 - 1), st.integers(2, 7), st.sampled_from([*CLAIMED]))
def test_no_name_claims_what_the_source_does_not_have(seed: int, k: int, axis: str) -> None:
    dropped = CLAIMED[axis]
    scaling = replace(ALL, features=tuple(feature for feature in ALL.features if feature.name != dropped))
    positions = np.delete(positions_of(seed, k), FEATURES.index(dropped), axis=1)
    named = named_segments(positions, scaling)
    assert len({each.persona.name for each in named}) == k
    assert not any(axis in each.persona.claims for each in named)


def test_a_missing_axis_does_not_lower_the_fit() -> None:
    casual = next(persona for persona in PERSONAS if persona.name == "Casual Buyers")
    at = np.array([[casual.engagement, casual.rating, casual.spend, casual.engagement], [2.5, 0.3, 1.0, 2.5]])
    named = named_segments(at, NO_DISCOUNTS)
    assert [(each.persona.name, each.name_fit) for each in named] == [
        ("Casual Buyers", 1.0),
        ("Premium Loyalists", 1.0),
    ]


def test_engagement_is_total_reviews_without_ratings() -> None:
    scaling = replace(ALL, features=tuple(feature for feature in ALL.features if feature.name != "engagement_score"))
    named = named_segments(np.array([[2.5, 0.3, 0.0, 1.0], [-0.3, -0.2, 1.0, -0.6]]), scaling)
    assert [each.name_fit for each in named] == [1.0, 1.0]


def test_without_features_there_is_one_segment() -> None:
    scaling = feature_scaling(USERS.head(1), transform="none")
    assert names_of(np.empty((1, 0)), scaling) == ["All Customers"]
