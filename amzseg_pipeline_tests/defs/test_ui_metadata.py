"""Metadata that the UI shows."""

from amzseg_pipeline.contracts.promotion import PromotionCriterion, PromotionReport
from amzseg_pipeline.defs.ui_metadata import promotion_metadata


def test_every_criterion_of_a_promotion_has_an_entry() -> None:
    criteria = (
        PromotionCriterion("moved_share", "relative", 0.123456, "at most", 0.1, "failed", "share of users moved"),
        PromotionCriterion("better", "relative", -0.0077, "at least", 0.01, "waived", "gain", "the settings changed"),
        PromotionCriterion("silhouette", "relative", None, "at most", 0.02, "failed", "loss of silhouette"),
        PromotionCriterion("no_approval_needed", "relative", None, "exactly", None, "passed", "no rollback"),
    )
    assert promotion_metadata(PromotionReport("HOLD", "why", "", "b", criteria)) == {
        "decision": "HOLD",
        "reason": "why",
        "champion": "none",
        "challenger": "b",
        "moved_share": "failed: 0.1235, at most 0.1 (share of users moved)",
        "better": "waived: -0.0077, at least 0.01 (gain); waived: the settings changed",
        "silhouette": "failed: unknown, at most 0.02 (loss of silhouette)",
        "no_approval_needed": "passed (no rollback)",
    }
