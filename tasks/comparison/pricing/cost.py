"""What a month costs, for one way or several together: machines, network, storage and people.

A night costs the CPU seconds that it takes, off-peak. A service's replicas cost every hour, also
when nobody asks. A device costs its price over its life, and its power. People cost their hours.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass, replace

from tasks.comparison.measurement import Way
from tasks.comparison.pricing.figures import Figures, WayFigures
from tasks.comparison.pricing.sheet import Prices
from tasks.comparison.units import MONTH_DAYS, MONTH_H, MONTH_S

HEADROOM = 0.7  # of its highest rate, at which a replica is run at the peak
KEPT = 0.05  # of the requests, which pass a filter on the device
LOOKUPS_PER_S = 1_000.0  # of scores of the night, by one replica: a rule of thumb
FILTERED_PER_S = 50.0  # by a device, with a small model: a rule of thumb
GIB = 2.0**30


@dataclass(frozen=True)
class Demand:
    """How much is asked.

    per_s: answers a second, on average; peak: how many times that at the busiest hour; devices: at
    how many of them the data arises, 0: at none; bytes_per_request: of raw data that has to travel
    from there, None: what travels is what was measured.
    """

    per_s: float
    peak: float = 3.0
    devices: int = 0
    bytes_per_request: float | None = None

    @property
    def answers(self) -> float:
        """Answers a month."""
        return self.per_s * MONTH_S


@dataclass(frozen=True)
class Cost:
    """Of a month, in the currency of the sheet."""

    machines: float = 0.0
    network: float = 0.0
    storage: float = 0.0
    people: float = 0.0

    @property
    def total(self) -> float:
        """All of it."""
        return self.machines + self.network + self.storage + self.people

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.machines + other.machines,
            self.network + other.network,
            self.storage + other.storage,
            self.people + other.people,
        )


def monthly(ways: Collection[Way], figures: Figures, demand: Demand, prices: Prices) -> Cost:
    """What a month costs of one way, or of several that share the work.

    A device that is not alone filters: few requests go on. A service beside a night looks up what
    was scored at night: raw data travels to the night alone, which alone keeps answers.
    """
    cost = Cost()
    if Way.DEVICE in ways:
        device = figures.ways[Way.DEVICE]
        if len(ways) > 1:
            device = replace(device, per_s=max(device.per_s, FILTERED_PER_S))
        cost += _device(device, demand, prices)
        if len(ways) > 1:
            demand = replace(demand, per_s=demand.per_s * KEPT)
    if Way.NIGHT in ways:
        cost += _night(figures.ways[Way.NIGHT], demand, prices)
    if Way.SERVICE in ways:
        served = figures.ways[Way.SERVICE]
        if Way.NIGHT in ways:  # which has had the raw data, and keeps the answers
            served = replace(served, per_s=max(served.per_s, LOOKUPS_PER_S))
            asked = replace(demand, bytes_per_request=None)
            cost += replace(_service(served, asked, prices), storage=0.0)
        else:
            cost += _service(served, demand, prices)
    return cost


def per_million(cost: Cost, demand: Demand) -> float:
    """What a million answers cost."""
    return cost.total / demand.answers * 1e6


def replicas(served: WayFigures, demand: Demand, least: float) -> int:
    """How many have to run, so that the busiest hour stays below the highest rate."""
    busiest = math.ceil(demand.per_s * demand.peak / (served.per_s * HEADROOM))
    return max(round(least), busiest, 1)


def devices_needed(device: WayFigures, demand: Demand) -> int:
    """As many as there are, or as the busiest hour takes."""
    return max(demand.devices, math.ceil(demand.per_s * demand.peak / device.per_s), 1)


def _night(night: WayFigures, demand: Demand, prices: Prices) -> Cost:
    starts_s = MONTH_DAYS * night.start_s
    cpu_h = (demand.answers * night.cpu_s + starts_s) / 3_600
    hours = (demand.answers / night.per_s + starts_s) / 3_600
    return Cost(
        machines=cpu_h * prices.cpu_hour_off_peak
        + hours * night.memory_gib * prices.memory_gib_hour,
        network=_network(night, demand, prices),
        storage=_storage(demand, prices),
        people=prices.night_hours * prices.engineer_hour,
    )


def _service(served: WayFigures, demand: Demand, prices: Prices) -> Cost:
    hour = served.cores * prices.cpu_hour_on_demand + served.memory_gib * prices.memory_gib_hour
    return Cost(
        machines=replicas(served, demand, prices.least_replicas) * hour * MONTH_H,
        network=_network(served, demand, prices),
        storage=_storage(demand, prices),
        people=prices.service_hours * prices.engineer_hour,
    )


def _device(device: WayFigures, demand: Demand, prices: Prices) -> Cost:
    count = devices_needed(device, demand)
    power = prices.device_power_w / 1e3 * MONTH_H * prices.energy_kwh
    hours = prices.device_hours + count / 100 * prices.device_hours_per_100
    return Cost(
        machines=count * (prices.device_price / (12 * prices.device_life_years) + power),
        network=demand.answers * device.bytes_per_answer / GIB * prices.traffic_gib,
        people=hours * prices.engineer_hour,
    )


def _network(way: WayFigures, demand: Demand, prices: Prices) -> float:
    count = way.bytes_per_answer
    if demand.bytes_per_request is not None:
        count = max(count, demand.bytes_per_request)
    return demand.answers * count / GIB * prices.traffic_gib


def _storage(demand: Demand, prices: Prices) -> float:
    kept = demand.answers * prices.stored_bytes_per_answer * prices.months_kept
    return kept / GIB * prices.storage_gib_month
