"""The examples that are shipped: each has its expected answer, and the reason that is expected."""

from pathlib import Path

import pytest

from tasks.comparison import advice
from tasks.comparison.advice.advise import advise
from tasks.comparison.advice.checks import Case
from tasks.comparison.advice.flips import changed
from tasks.comparison.advice.need import Requirements, read_requirements
from tasks.comparison.advice.ranking import best
from tasks.comparison.pricing.sheet import default_sheet
from tests.tasks.comparison.measured import comparison

FOLDER = Path(advice.__path__[0]).parent / "examples"
EXAMPLES = sorted(FOLDER.glob("*.yaml"))
SHEET = default_sheet()
# Which way suits each is the subject's common knowledge: these files have no other.
KNOWN = {
    "night": "nightly_risk_assessment customer_segmentation predictive_maintenance"
    " data_warehouse_reporting market_analysis review_sentiment",
    "service": "fraud_detection dynamic_pricing personalisation chatbots trading"
    " traffic_and_public_safety",
    "device": "self_driving_cars smart_cameras industrial_monitoring wearables",
    "night+service": "offers_at_the_till",
    "night+device": "wildlife_counts",
    "service+device": "traffic_without_pictures",
    "night+service+device": "shop_without_tills",
}


@pytest.fixture(params=EXAMPLES, ids=lambda file: file.stem)
def need(request: pytest.FixtureRequest) -> Requirements:
    return read_requirements(request.param)


def test_there_is_an_example_of_each_use_and_of_each_mixture():
    expected = {name: way for way, names in KNOWN.items() for name in names.split()}
    found = {file.stem: read_requirements(file).expected for file in EXAMPLES}
    assert {name: each and each.answer.value for name, each in found.items()} == expected


def test_example_gets_its_expected_answer_by_the_expected_requirement(need):
    found = advise(need, SHEET)
    assert need.expected is not None
    assert found.answer is need.expected.answer
    assert found.decided_by == need.expected.decided_by
    assert found.decided_by  # there is one


def test_flipping_the_deciding_requirement_changes_the_answer(need):
    """Each that is named, and it alone; nothing else of the need is another."""
    found = advise(need, SHEET)
    for flip in found.decisive:
        other = changed(need, flip.changes)
        differing = [
            key for key in Requirements.model_fields if getattr(other, key) != getattr(need, key)
        ]
        assert differing == [flip.changes[0].key]
        answer = best(Case(other, SHEET.typical(), SHEET.currency))
        assert answer is flip.strategy
        assert answer is not found.answer


def test_measurements_of_its_model_are_used_and_said(need):
    found = advise(need, SHEET, comparison(), "the file here")
    assert found.measured == (need.model is not None)
    assert ("the file here" in found.basis) == found.measured
    if found.measured:
        assert need.expected and found.answer is need.expected.answer
    else:
        assert "name no model" in found.basis
