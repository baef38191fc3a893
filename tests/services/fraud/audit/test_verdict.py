"""Promises of the audit's verdict, and of the block that follows from it."""

from dataclasses import replace
from typing import Any

import pytest

from services.fraud.audit.measures import Audit, DayQuality, ModelQuality, Period
from services.fraud.audit.verdict import OWN, Limits, enforce, judge
from services.fraud.errors import PromotionRefused
from services.fraud.scoring.evaluation import Metrics
from services.fraud.scoring.registry import Registry
from tests.services.fraud.answered import CHAMPION, RUN_DATE

PROMISED = Metrics(50_000, 400, 0.87, 0.65, 0.29, 0.72, 0.01)


def audit_with(**changes: Any) -> Audit:
    """An audit of a champion that does what its card says, but for the changes."""
    champion = ModelQuality(
        model=CHAMPION,
        role="answered",
        answers=10_000,
        flagged=120,
        days=14,
        alerts_per_day=8.0,
        alert_budget=10.0,
        metrics=replace(PROMISED, rows=10_000, frauds=90),
        expected=PROMISED,
    )
    measures = {"average_precision", "auc_roc", "frauds", "rows"} & changes.keys()
    answers = changes.pop("answers", 10_000)
    day = DayQuality(RUN_DATE, CHAMPION, "answered", answers, 120, 8, 10.0, labelled=1)
    measured = {name: changes.pop(name) for name in measures}
    if champion.metrics and measured:
        champion = replace(champion, metrics=replace(champion.metrics, **measured))
    return Audit(
        period=Period(RUN_DATE, 14, 7),
        champion=CHAMPION,
        days=(day, replace(day, answers=10_000, labelled=0)),
        models=(replace(champion, **changes),),
        drift=(),
        last_week=(),
        degraded=0,
        slow_ms=None,
    )


@pytest.mark.parametrize(
    ("changes", "quality", "reason"),
    [
        ({}, "held", "90 labelled frauds"),
        ({"average_precision": 0.51}, "held", "90"),
        ({"average_precision": 0.49}, "fallen", "Average precision is 0.490 and was 0.650"),
        ({"auc_roc": 0.78}, "fallen", "AUC ROC is 0.780 and was 0.870"),
        ({"alerts_per_day": 31.0}, "fallen", "31 cards a day are flagged, and the budget is 10"),
        ({"average_precision": 0.1, "frauds": 29}, "unknown", "29 labelled frauds are too few"),
        ({"metrics": None, "alerts_per_day": 31.0}, "unknown", "0 labelled frauds are too few"),
        ({"rows": 90, "answers": 860}, "unknown", "Send labels of the genuine ones too"),
        ({"rows": 90, "answers": 90}, "unknown", "90 are labelled, 90 of them as frauds"),
        ({"rows": 400, "answers": 860}, "unknown", "Of 860 answers 400 are labelled"),
        ({"rows": 430, "answers": 860}, "held", "90 labelled frauds"),
        ({"expected": None}, "unknown", "no figures of a test period"),
        ({"average_precision": 0.99}, "held", "90"),
    ],
)
def test_champion_is_compared_with_its_card(changes, quality, reason):
    """A fall beyond the limit is a fall; too little to judge by is said to be so."""
    verdict = judge(audit_with(**changes), Limits())
    assert verdict.quality == quality
    assert reason in " ".join(verdict.reasons)


def test_nothing_is_judged_without_a_champion_or_its_answers():
    """A new home, or a champion that nobody has asked yet."""
    assert judge(replace(audit_with(), champion=None), Limits()).quality == "unknown"
    other = replace(audit_with(), champion="fraud_detector:other")
    assert "answered on none" in judge(other, Limits()).reasons[0]


def test_fall_blocks_promotion_and_recovery_allows_it_again(tmp_path):
    """The audit lifts what an audit has put."""
    registry, limits = Registry(tmp_path), Limits()
    fallen, held = audit_with(average_precision=0.2), audit_with()

    done = enforce(judge(fallen, limits), registry, fallen)
    assert (done.block, done.blocked) == ("blocked", registry.blocked())
    assert done.blocked is not None and done.blocked.startswith(f"{OWN}2026-11-22")
    with pytest.raises(PromotionRefused, match=r"Average precision is 0\.200"):
        registry.promote("fraud_detector:next", "a test")

    for unknown in (audit_with(frauds=3), audit_with(rows=90, average_precision=1.0)):
        assert enforce(judge(unknown, limits), registry, unknown).block == "kept"
    assert registry.blocked() is not None

    assert enforce(judge(held, limits), registry, held).block == "lifted"
    assert registry.blocked() is None
    assert enforce(judge(held, limits), registry, held).block == "none"


def test_block_of_somebody_else_is_left_alone(tmp_path):
    """Neither lifted by good figures nor replaced by bad ones."""
    registry, limits = Registry(tmp_path), Limits()
    registry.block("freeze until Monday")
    for one in (audit_with(), audit_with(average_precision=0.2)):
        done = enforce(judge(one, limits), registry, one)
        assert (done.block, done.blocked) == ("kept", "freeze until Monday")
    assert registry.blocked() == "freeze until Monday"
