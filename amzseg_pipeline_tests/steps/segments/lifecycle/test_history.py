from datetime import date

import pandas as pd

from amzseg_pipeline.contracts.history import SEGMENT_HISTORY
from amzseg_pipeline.contracts.promotion import Drift, DriftMeasure
from amzseg_pipeline.steps.segments import segment_history

DRIFT = Drift(
    "m1", 10, (DriftMeasure("psi_avg_spend", 0.5, 0.1, True), DriftMeasure("psi_shares", 0.2, 0.1, True)), (), (), ""
)
PROFILES = pd.DataFrame(
    {
        "segment_id": ["S0001", "S0002"],
        "segment_name": ["Deal Seekers", "Casual Buyers"],
        "users": [7, 3],
        "share": [0.7, 0.3],
        "model_version": ["m1", "m1"],
    }
)
MIGRATIONS = pd.DataFrame(
    [
        ("-", "S0001", "new user", 4),
        ("S0001", "S0001", "stayed", 2),
        ("S0002", "S0001", "behaviour", 1),
        ("S0001", "S0002", "model", 2),
        ("S0001", "S0002", "both", 1),
        ("S0001", "-", "left", 5),
        ("S0009", "-", "left", 1),
    ],
    columns=["from_segment_id", "to_segment_id", "cause", "users"],
)


def history_of(sequence: int, before: pd.DataFrame | None = None) -> pd.DataFrame:
    return segment_history(before, PROFILES, MIGRATIONS, DRIFT, sequence=sequence, as_of=date(2026, 1, sequence))


def test_history_counts_moves_and_carries_drift() -> None:
    found = history_of(1)
    assert tuple(found.columns) == SEGMENT_HISTORY.column_names
    assert found["segment_id"].tolist() == ["S0001", "S0002"]
    assert found["entered"].tolist() == [1, 3]
    assert found["new_users"].tolist() == [4, 0]
    assert found["departed"].tolist() == [8, 1]
    assert found["psi_avg_spend"].tolist() == [0.5, 0.5]
    assert found["psi_shares"].tolist() == [0.2, 0.2]
    assert found["distance_ratio"].isna().all()


def test_earlier_rows_are_carried_forward_unchanged() -> None:
    first = history_of(1)
    third = history_of(3, history_of(2, first))
    assert third["sequence"].tolist() == [1, 1, 2, 2, 3, 3]
    pd.testing.assert_frame_equal(third.head(2), first)
    assert third["as_of"].tolist()[::2] == [date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 3)]


def test_a_renamed_segment_has_its_earlier_name() -> None:
    first = history_of(1)
    renamed = PROFILES.assign(segment_name=["Thrifty Shoppers", "Casual Buyers"])
    second = segment_history(first, renamed, MIGRATIONS, DRIFT, sequence=2, as_of=date(2026, 1, 2))
    assert second["renamed_from"].fillna("").tolist() == ["", "", "Deal Seekers", ""]
    third = segment_history(second, renamed, MIGRATIONS, DRIFT, sequence=3, as_of=date(2026, 1, 3))
    assert third["renamed_from"].isna().tolist()[-2:] == [True, True]
