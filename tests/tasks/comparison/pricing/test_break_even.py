"""Break-even points: found where the costs are equal, and "never" where they never are."""

from dataclasses import replace

import pytest

from tasks.comparison.measurement import Way
from tasks.comparison.pricing.break_even import RATES, by_devices, by_rate, crossing
from tasks.comparison.pricing.cost import Demand, monthly
from tasks.comparison.pricing.curve import cost_range, curve
from tasks.comparison.pricing.sheet import default_sheet
from tests.tasks.comparison.pricing.example import figures

SHEET = default_sheet()
DEMAND = Demand(per_s=1, peak=1, devices=1)
SLOW_NIGHT = figures(night_cpu_s=0.5, service_per_s=2_000)  # it scores each row anew, at length


@pytest.mark.parametrize(
    ("saved", "kind", "start", "end"),
    [
        (lambda x: x - 40, "from", 40, None),
        (lambda x: 40 - x, "up to", None, 40),
        (lambda x: 1, "always", None, None),
        (lambda x: -1, "never", None, None),
        (lambda x: 0, "never", None, None),
        (lambda x: (x - 2) * (300 - x), "between", 2, 300),
    ],
)
def test_crossing_is_found(saved, kind, start, end):
    found = crossing(saved, RATES)
    assert found.kind == kind
    assert found.start == (start and pytest.approx(start, rel=1e-3))
    assert found.end == (end and pytest.approx(end, rel=1e-3))


def test_steps_of_replicas_count_from_where_it_stays_cheaper():
    """Above 1 it is cheaper, between 10 and 20 it is not."""
    found = crossing(lambda x: -1 if x < 1 or 10 < x < 20 else 1, RATES)
    assert found.kind == "from" and found.start == pytest.approx(20, rel=1e-3)


def test_both_cost_the_same_at_the_break_even():
    found = by_rate(Way.SERVICE, Way.NIGHT, SLOW_NIGHT, DEMAND, SHEET)
    assert found.typical.kind == "from" and found.typical.point
    night, service = (
        monthly({way}, SLOW_NIGHT, replace(DEMAND, per_s=found.typical.point), SHEET.typical())
        for way in (Way.NIGHT, Way.SERVICE)
    )
    assert night.total == pytest.approx(service.total, rel=1e-3)
    assert found.low and found.high and found.low < found.typical.point < found.high
    assert "the service is cheaper than the night: above " in found.told()
    assert "in eight of ten of these" in found.told()


def test_the_other_way_round_is_the_opposite():
    there = by_rate(Way.SERVICE, Way.NIGHT, SLOW_NIGHT, DEMAND, SHEET)
    back = by_rate(Way.NIGHT, Way.SERVICE, SLOW_NIGHT, DEMAND, SHEET)
    assert back.typical.kind == "up to"
    assert back.typical.point == pytest.approx(there.typical.point, rel=1e-3)


def test_never_is_an_answer_and_said_as_such():
    quick_night = figures(night_cpu_s=1e-6)
    found = by_rate(Way.SERVICE, Way.NIGHT, quick_night, DEMAND, SHEET)
    assert (found.typical.kind, found.share, found.low) == ("never", 1.0, None)
    assert found.told() == (
        "the service is cheaper than the night: never, from 0.001 to 10,000 requests a second"
        " (in all price draws)"
    )


def test_more_devices_that_send_much_make_the_edge_cheaper():
    """Each sends 100 kB a second to the service, or nothing."""
    demand = replace(DEMAND, bytes_per_request=100_000.0)
    dear = SHEET.model_copy(
        update={
            "device_hours": SHEET.device_hours.model_copy(
                update={"low": 40, "typical": 50, "high": 60}
            )
        }
    )
    found = by_devices(Way.DEVICE, Way.SERVICE, figures(), demand, dear)
    assert found.typical.kind == "from" and found.unit == "devices"
    assert 10 < (found.typical.point or 0) < 10_000
    light = by_devices(Way.DEVICE, Way.SERVICE, figures(), DEMAND, dear)
    assert light.typical.kind == "never"


def test_uncertain_prices_widen_the_range():
    sure = SHEET.model_copy(
        update={
            name: price.model_copy(update={"low": price.typical, "high": price.typical})
            for name, price in SHEET.prices().items()
        }
    )
    wide = by_rate(Way.SERVICE, Way.NIGHT, SLOW_NIGHT, DEMAND, SHEET)
    narrow = by_rate(Way.SERVICE, Way.NIGHT, SLOW_NIGHT, DEMAND, sure)
    assert narrow.low == pytest.approx(narrow.high) == pytest.approx(wide.typical.point)
    assert (wide.high or 0) > 1.2 * (wide.low or 0)


def test_curve_holds_its_typical_cost_in_its_band():
    ranges = curve(Way.SERVICE, figures(), DEMAND, SHEET, (1, 100, 10_000))
    assert all(each.low <= each.typical <= each.high for each in ranges)
    assert ranges[0].typical < ranges[1].typical < ranges[2].typical
    assert ranges[1] == cost_range([Way.SERVICE], figures(), replace(DEMAND, per_s=100), SHEET)
