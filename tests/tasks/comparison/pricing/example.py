"""Figures and prices that can be reckoned in the head."""

from tasks.comparison.measurement import Way
from tasks.comparison.pricing.figures import Figures, WayFigures
from tasks.comparison.pricing.sheet import Prices

NOTHING = Prices(**dict.fromkeys(Prices.model_fields, 0.0))


def prices(**given: float) -> Prices:
    """Nothing costs anything, but for what is given."""
    return NOTHING.model_copy(update={"device_life_years": 1.0, **given})


def figures(
    night_cpu_s: float = 0.001, service_per_s: float = 100.0, device_per_s: float = 10.0
) -> Figures:
    return Figures(
        {
            Way.NIGHT: WayFigures(night_cpu_s, 1_000.0, None, 2, 1.0, 0.0, 0.0),
            Way.SERVICE: WayFigures(0.002, service_per_s, 0.01, 2, 1.0, 5.0, 1_000.0),
            Way.DEVICE: WayFigures(0.01, device_per_s, 0.05, 1, 0.1, 1.0, 0.0),
        },
        measured=True,
        origin="a test",
    )
