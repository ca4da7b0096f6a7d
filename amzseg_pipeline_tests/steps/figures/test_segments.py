"""Plots of the segments stage: their form and colours, missing data. test_segment_captions checks their numbers."""

from dataclasses import replace
from datetime import date
from functools import cache

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from matplotlib.colors import to_hex

from amzseg_pipeline.contracts.model import KChoice, Model
from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS
from amzseg_pipeline.contracts.users import USER_FEATURES
from amzseg_pipeline.steps.figures.gallery import NotApplicable, Plot
from amzseg_pipeline.steps.figures.segments import DRAWINGS, SegmentData, segment_data
from amzseg_pipeline.steps.figures.style import drawing_style
from amzseg_pipeline.steps.segments import profile_counts, scored_users, segment_profiles
from amzseg_pipeline_tests.frames import ENGINES, frame
from amzseg_pipeline_tests.steps.figures.synthetic import assert_presentable
from amzseg_pipeline_tests.steps.segments.users import model_of, three_types

USERS = three_types(900)


@cache
def model() -> Model:
    return model_of(USERS, k=3)


@cache
def users_scored() -> pd.DataFrame:
    return scored_users(USERS, model(), as_of=date(2024, 1, 1)).set_index("user_id")


def rows(table: pd.DataFrame) -> list[dict]:
    return pa.Table.from_pandas(table.reset_index(), preserve_index=False).to_pylist()


def data_of(*, engine: str = "duckdb", max_users: int = 5_000, **changed) -> SegmentData:
    assignments = frame(SEGMENT_ASSIGNMENTS, rows(users_scored()), engine=engine)
    users = frame(USER_FEATURES, rows(USERS.set_index("user_id")), engine=engine)
    profiles = segment_profiles([profile_counts(assignments)], model())
    data = segment_data(assignments, users, profiles, model(), currency="INR", max_users=max_users)
    return replace(data, **changed)


@cache
def complete_data() -> SegmentData:
    return data_of()


def drawn(name: str, data: SegmentData | None = None) -> Plot:
    with drawing_style():
        plot = DRAWINGS[name](data or complete_data())
    assert isinstance(plot, Plot), plot
    return plot


def passing(choice: KChoice) -> list[int]:
    limits = choice.limits
    return [
        e.k
        for e in choice.evidence[2:]
        if e.prediction_strength >= limits.prediction_strength
        and e.jaccard >= limits.jaccard
        and e.silhouette >= limits.silhouette
        and e.silhouette - e.null_silhouette >= limits.silhouette_gain
        and e.separation >= limits.separation
        and e.smallest_share >= limits.smallest_share
    ]


@pytest.mark.parametrize("name", DRAWINGS)
def test_every_plot_is_presentable(name):
    assert_presentable(drawn(name))


def test_evidence_agrees_with_the_criteria():
    choice = model().choice
    assert passing(choice) == [3]
    plot = drawn("evidence_for_k")
    for fragment in ("3 segments pass every criterion", "3 is the only number that passes all criteria, "):
        assert fragment in f"{plot.title} {plot.caption}"
    three = replace(choice.evidence[2], separation=0.1, failed_criteria=("separation 0.100 is below 0.3",))
    choice = replace(choice, evidence=(*choice.evidence[:2], three, *choice.evidence[3:]))
    assert passing(choice) == []
    plot = drawn("evidence_for_k", replace(complete_data(), model=replace(model(), choice=choice)))
    assert plot.title == "3 segments are a convention: they fail separation"


def test_captions_name_a_sample():
    data = data_of(max_users=100)
    for name in ("features_by_segment", "price_and_discount", "projection", "silhouette_by_user"):
        assert drawn(name, data).caption.startswith("Sample of 100 users. ")


def test_segments_are_named_on_the_axis_of_their_features():
    panels = drawn("features_by_segment").figure.axes[:5]
    names = [[label.get_text().replace("\n", " ") for label in panel.get_yticklabels()] for panel in panels]
    assert names[0] == names[3] == [segment.name for segment in model().segments]
    assert set(names[1]) == set(names[4]) == {""}


def test_segment_has_the_same_colour_in_all_plots():
    bars = drawn("segment_sizes").figure.axes[0]
    by_name = dict(
        zip(
            [label.get_text() for label in bars.get_yticklabels()],
            [to_hex(patch.get_facecolor()) for patch in bars.patches],
            strict=True,
        )
    )
    legend = drawn("features_by_segment").figure.axes[5].get_legend()
    in_legend = {
        text.get_text(): to_hex(handle.get_facecolor())
        for text, handle in zip(legend.get_texts(), legend.legend_handles, strict=True)
    }
    knives = drawn("silhouette_by_user").figure.axes[0]
    on_knives = {to_hex(area.get_facecolor()[0]) for area in knives.collections}
    for name in ("price_and_discount", "projection"):
        axes = drawn(name).figure.axes[0]
        named = [text for text in axes.texts if text.get_text() in by_name]
        assert {text.get_text(): to_hex(text.get_bbox_patch().get_edgecolor()) for text in named} == by_name
        points = {to_hex(colour) for colour in axes.collections[0].get_facecolor()}
        assert points == set(by_name.values())
    assert in_legend == by_name
    assert on_knives == set(by_name.values())


def test_names_in_a_scatter_plot_do_not_overlap():
    crowded = complete_data().sample.assign(
        avg_discount=50.0 + 1e-6 * np.arange(len(complete_data().sample)), avg_spend=100.0
    )
    axes = drawn("price_and_discount", replace(complete_data(), sample=crowded)).figure.axes[0]
    heights = sorted(text.xyann[1] for text in axes.texts)
    assert min(np.diff(heights)) > 0.08


def test_source_without_discounts_skips_only_their_plot():
    data = replace(complete_data(), sample=complete_data().sample.assign(avg_discount=np.nan))
    assert DRAWINGS["price_and_discount"](data) == NotApplicable(
        "no user has both a mean price paid and a mean discount"
    )
    assert "discount" not in drawn("features_by_segment", data).title


@pytest.mark.parametrize("name", ["segment_profile", "features_by_segment", "silhouette_by_user"])
def test_single_segment_skips_comparisons(name):
    data = replace(
        complete_data(),
        profiles=complete_data().profiles.head(1),
        sample=complete_data().sample.assign(segment_id="S0001"),
    )
    assert DRAWINGS[name](data) == NotApplicable("there is one segment only")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("evidence_for_k", "the criteria were measured for fewer than two numbers of segments"),
        ("elbow", "inertia was measured for fewer than three numbers of segments"),
        ("silhouette_by_k", "silhouettes were measured for fewer than two numbers of segments"),
    ],
)
def test_curves_need_evidence_for_several_numbers_of_segments(name, reason):
    choice = replace(model().choice, evidence=model().choice.evidence[2:3])
    assert DRAWINGS[name](replace(complete_data(), model=replace(model(), choice=choice))) == NotApplicable(reason)


def test_criteria_values_are_annotated_and_failures_bold():
    above, below = drawn("evidence_for_k").figure.axes
    evidence = {e.k: e for e in model().choice.evidence}
    cells = {(round(text.xy[0]), round(text.xy[1])): text for text in above.texts}
    assert {k for k, _ in cells} == set(evidence) - {1}
    for (k, row), cell in cells.items():
        name = ("prediction_strength", "jaccard", "silhouette", "gain", "separation", "smallest_share")[row]
        gain = evidence[k].silhouette - evidence[k].null_silhouette
        value, least = (
            (gain, 0.05) if name == "gain" else (getattr(evidence[k], name), getattr(model().choice.limits, name))
        )
        assert float(cell.get_text().removesuffix("%")) == pytest.approx(
            100 * value if name == "smallest_share" else value, abs=0.5 if name == "smallest_share" else 0.0051
        )
        assert (cell.get_fontweight() == "bold") == (value < least)
    rules = [label.get_text() for label in below.get_yticklabels()]
    said = {rules[int(row)]: int(k) for k, row in below.collections[0].get_offsets()}
    assert said["best silhouette"] == model().choice.best_silhouette
    assert said["Jaccard index alone"] == model().choice.largest_by_jaccard


def test_number_that_fails_is_called_a_convention():
    failing = next(e for e in model().choice.evidence[2:] if e.failed_criteria)
    choice = replace(model().choice, k=failing.k, confidence="low", rule="the usual number")
    plot = drawn("evidence_for_k", replace(complete_data(), model=replace(model(), choice=choice)))
    assert_presentable(plot)
    assert plot.title.startswith(f"{failing.k} segments are a convention: they fail ")
    assert f"The division into {failing.k} fails " in plot.caption


def test_sample_is_by_hash_on_every_engine():
    wanted = USERS.sort_values(["user_hash", "user_id"]).head(60)["user_id"].tolist()
    segment_ids = users_scored()["segment_id"].astype(str).reindex(wanted).tolist()
    for engine in ENGINES:
        data = data_of(engine=engine, max_users=60)
        assert data.sample["user_id"].tolist() == wanted
        assert data.sample["segment_id"].tolist() == segment_ids
        assert data.note == "60 of 900 users"
