"""What a month costs, by figures that can be reckoned in the head."""

import pytest

from tasks.comparison.measurement import Way
from tasks.comparison.pricing.cost import (
    GIB,
    HEADROOM,
    KEPT,
    Demand,
    devices_needed,
    monthly,
    per_million,
    replicas,
)
from tasks.comparison.units import MONTH_H, MONTH_S
from tests.tasks.comparison.pricing.example import figures, prices


def machines(way: Way, demand: Demand, **given: float) -> float:
    return monthly({way}, figures(), demand, prices(**given)).machines


def test_night_costs_its_cpu_seconds_off_peak_and_no_others():
    """A million answers of 1 ms are 1,000 CPU seconds."""
    demand = Demand(per_s=1e6 / MONTH_S)
    assert machines(Way.NIGHT, demand, cpu_hour_off_peak=3.6) == pytest.approx(1.0)
    assert machines(Way.NIGHT, demand, cpu_hour_on_demand=3.6) == 0
    assert machines(Way.NIGHT, Demand(per_s=1e-12), cpu_hour_off_peak=3.6) < 1e-9


def test_service_costs_every_hour_also_when_nobody_asks():
    idle = machines(Way.SERVICE, Demand(per_s=1e-12), cpu_hour_on_demand=1.0, least_replicas=1)
    busy = machines(Way.SERVICE, Demand(per_s=20), cpu_hour_on_demand=1.0, least_replicas=1)
    assert idle == busy == pytest.approx(2 * MONTH_H)  # of both cores


def test_replicas_follow_from_the_highest_rate_at_the_busiest_hour():
    served = figures(service_per_s=100).ways[Way.SERVICE]
    able = 100 * HEADROOM
    assert replicas(served, Demand(per_s=able / 3, peak=3), least=1) == 1
    assert replicas(served, Demand(per_s=able / 3 + 0.1, peak=3), least=1) == 2
    assert replicas(served, Demand(per_s=able, peak=10), least=1) == 10
    assert replicas(served, Demand(per_s=1), least=2.6) == 3


def test_devices_cost_their_price_over_their_life_and_their_power():
    demand = Demand(per_s=1, devices=50)
    assert machines(Way.DEVICE, demand, device_price=120, device_life_years=2) == pytest.approx(250)
    power = machines(Way.DEVICE, demand, device_power_w=1_000, energy_kwh=0.1)
    assert power == pytest.approx(50 * MONTH_H * 0.1)


def test_there_are_as_many_devices_as_the_busiest_hour_takes():
    device = figures(device_per_s=10).ways[Way.DEVICE]
    assert devices_needed(device, Demand(per_s=1, peak=1, devices=7)) == 7
    assert devices_needed(device, Demand(per_s=100, peak=3, devices=7)) == 30


def test_people_network_and_storage_are_counted_by_way():
    demand = Demand(per_s=GIB / 1_000 / MONTH_S, devices=200)  # a GiB of requests a month
    given = prices(
        engineer_hour=10,
        night_hours=1,
        service_hours=5,
        device_hours=2,
        device_hours_per_100=3,
        traffic_gib=7,
        stored_bytes_per_answer=1_000,
        months_kept=2,
        storage_gib_month=4,
    )
    costs = {way: monthly({way}, figures(), demand, given) for way in Way}
    assert [costs[way].people for way in Way] == [10, 50, 80]
    assert [costs[way].network for way in Way] == pytest.approx([0, 7, 0])
    assert [costs[way].storage for way in Way] == pytest.approx([8, 8, 0])
    assert costs[Way.SERVICE].total == pytest.approx(65)


def test_raw_data_travels_to_all_but_the_device():
    demand = Demand(per_s=GIB / MONTH_S, devices=1, bytes_per_request=10_000)
    costs = {way: monthly({way}, figures(), demand, prices(traffic_gib=1)).network for way in Way}
    assert [costs[way] for way in Way] == pytest.approx([10_000, 10_000, 0])


def test_filter_on_the_device_lets_few_requests_through():
    demand = Demand(per_s=1_000, devices=100, bytes_per_request=1_000)
    given = prices(traffic_gib=1)
    alone = monthly({Way.SERVICE}, figures(), demand, given).network
    both = monthly({Way.SERVICE, Way.DEVICE}, figures(), demand, given).network
    assert both == pytest.approx(KEPT * alone)


def test_service_beside_a_night_needs_fewer_replicas():
    """It looks up what was scored."""
    demand, given = Demand(per_s=200, peak=1), prices(cpu_hour_on_demand=1, least_replicas=1)
    alone = monthly({Way.SERVICE}, figures(), demand, given).machines
    both = monthly({Way.SERVICE, Way.NIGHT}, figures(), demand, given).machines
    assert (alone, both) == pytest.approx((3 * 2 * MONTH_H, 2 * MONTH_H))


def test_service_beside_a_night_pays_for_no_raw_data_and_no_answers_again():
    demand = Demand(per_s=GIB / 1_000 / MONTH_S, bytes_per_request=10_000)
    given = prices(traffic_gib=1, stored_bytes_per_answer=1_000, months_kept=1, storage_gib_month=1)
    night = monthly({Way.NIGHT}, figures(), demand, given)
    both = monthly({Way.NIGHT, Way.SERVICE}, figures(), demand, given)
    lookups = 1.0  # GiB: of a thousand bytes each, as measured
    assert (night.network, night.storage) == pytest.approx((10.0, 1.0))
    assert (both.network, both.storage) == pytest.approx((10.0 + lookups, 1.0))


def test_cost_of_a_million_answers():
    demand = Demand(per_s=2e6 / MONTH_S)
    cost = monthly({Way.NIGHT}, figures(), demand, prices(engineer_hour=10, night_hours=1))
    assert per_million(cost, demand) == pytest.approx(5)
