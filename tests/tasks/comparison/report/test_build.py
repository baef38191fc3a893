"""What the report shows, from measurements alone."""

from tasks.comparison.advice.advise import advise
from tasks.comparison.measurement import Way
from tasks.comparison.pricing.sheet import default_sheet
from tasks.comparison.report.build import build
from tests.tasks.comparison.advice.case import need
from tests.tasks.comparison.measured import comparison, device, model, night, service

SHEET = default_sheet()


def cells(found, what: str) -> list[str]:
    (row,) = [row for row in found.rows if row.what == what]
    return list(row.cells)


def test_ways_stand_side_by_side():
    (found,) = build(comparison(model()), SHEET, None, "a file").models
    assert list(found.ways) == list(Way)
    assert all(len(row.cells) == 3 for row in found.rows)
    assert cells(found, "rows a second") == ["20,000", "1,200", "2,300"]
    assert cells(found, "one answer: p50") == ["–", "2 ms", "0.4 ms"]
    assert cells(found, "highest rate within the bound") == [
        "–",
        "900 a second (p99 within 20 ms)",
        "–",
    ]
    # Nothing is invented where a machine does not tell.
    assert cells(found, "energy per million") == ["not told", "not told", "5.4 kJ"]
    assert found.bound_ms == 20


def test_how_many_queries_a_claim_rests_on_is_told_and_what_a_run_lacks():
    (found,) = build(comparison(model()), SHEET, None, "a file").models
    assert len(found.claims) == 5
    assert all("5,000 queries" in claim for claim in found.claims)
    assert all("Shorter than the rules ask: 600 s" in claim for claim in found.claims)
    assert found.notes == ["night: energy: this machine does not tell"]


def test_costs_follow_the_need_of_the_model_it_names():
    asked = need(model="fraud", devices=70, volume_per_day=1e6)
    found = build(comparison(), SHEET, advise(asked, SHEET, comparison()), "a file")
    fraud, sentiment = (each.costs for each in found.models)
    assert fraud and fraud.demand.devices == 70
    assert sentiment and sentiment.demand.devices == 1
    names = [(each.cheaper, each.than, each.unit) for each in fraud.break_evens]
    assert (Way.SERVICE, Way.NIGHT, "requests a second") in names
    assert (Way.DEVICE, Way.SERVICE, "devices") in names


def test_model_without_one_way_is_shown_without_costs():
    part = model().model_copy(update={"ways": (night(), service())})
    (found,) = build(comparison(part), SHEET, None, "a file").models
    assert found.costs is None and list(found.ways) == [Way.NIGHT, Way.SERVICE]
    assert "cost" not in " ".join(row.what for row in found.rows)
    assert device().way not in found.ways


def test_service_that_kept_the_bound_at_no_rate_is_said_to_be_reckoned_otherwise():
    slow = service().model_copy(update={"highest_rate": None})
    late = model().model_copy(update={"ways": (night(), slow, device())})
    (found,) = build(comparison(late), SHEET, None, "a file").models
    assert cells(found, "highest rate within the bound") == ["–", "–", "–"]
    assert any("costs reckon with 400 requests a second" in note for note in found.notes)
    assert found.bound_ms is None and found.costs
