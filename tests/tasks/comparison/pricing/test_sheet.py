"""The price sheet: each price with its source and date, and one's own in their place."""

from datetime import date

import pytest

from tasks.comparison.errors import PricesError
from tasks.comparison.pricing.sheet import Prices, default_sheet, read_sheet


def test_each_default_has_its_source_and_date():
    prices = default_sheet().prices()
    assert prices.keys() == Prices.model_fields.keys()
    for name, price in prices.items():
        assert price.low < price.high, name  # nothing is known exactly
        assert date(2020, 1, 1) < price.date <= date(2026, 11, 29), name
        assert "assumption" in price.source or "." in price.source, name


def test_own_file_names_only_what_differs(tmp_path):
    file = tmp_path / "prices.yaml"
    file.write_text(
        "traffic_gib:\n  typical: 0.05\nenergy_kwh: {low: 0.1, typical: 0.2, high: 0.3}\n"
    )
    sheet, default = read_sheet(file), default_sheet()
    assert (sheet.traffic_gib.typical, sheet.traffic_gib.low) == (0.05, default.traffic_gib.low)
    assert sheet.energy_kwh.high == 0.3
    assert sheet.device_price == default.device_price
    # A figure of one's own is not said to be the default's source's.
    assert sheet.traffic_gib.source == "the price sheet that was given"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("trafic_gib: {typical: 1}\n", "trafic_gib is no key; did you mean traffic_gib?"),
        ("traffic_gib: {typicl: 1}\n", "traffic_gib.typicl is no key; did you mean typical?"),
        ("traffic_gib: {typical: 9}\n", "low 0.01, typical 9, high 0.12: they have to rise"),
        ("traffic_gib: 9\n", "traffic_gib: Input should be"),
        ("traffic_gib: {typical: cheap}\n", "traffic_gib.typical: Input should be a valid number"),
        ("traffic_gib: {low: -1}\n", "traffic_gib.low: Input should be greater than or equal to 0"),
        ("device_life_years: {low: 0}\n", "device_life_years: low has to be above 0"),
        ("currency: EUR\ntraffic_gib: {typical: 0.05}\n", "do not mix with the default's in USD"),
    ],
)
def test_wrong_price_is_refused_in_a_line(tmp_path, text, says):
    file = tmp_path / "prices.yaml"
    file.write_text(text)
    with pytest.raises(PricesError) as error:
        read_sheet(file)
    assert says in str(error.value) and "\n" not in str(error.value)


def test_draws_are_the_same_each_time_and_stay_within_low_and_high():
    sheet = default_sheet()
    draws = sheet.draws(seed=3, count=50)
    assert draws == sheet.draws(seed=3, count=50) != sheet.draws(seed=4, count=50)
    for name, price in sheet.prices().items():
        drawn = {getattr(each, name) for each in draws}
        assert len(drawn) > 10
        assert price.low <= min(drawn) <= max(drawn) <= price.high


def test_hours_of_people_can_be_left_out():
    sheet = default_sheet().without_people()
    assert sheet.typical().engineer_hour == 0 == max(draw.engineer_hour for draw in sheet.draws())
    assert default_sheet().typical().engineer_hour > 0
