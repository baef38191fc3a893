"""The price sheet: what things cost, from low to high, and where each figure comes from."""

import random
from collections.abc import Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tasks.comparison.errors import PricesError
from tasks.comparison.measurement import Value
from tasks.comparison.yaml_file import checked, read_mapping

DEFAULTS = Path(__file__).parents[1] / "prices.yaml"
DRAWS = 200  # of all prices at once; the range of a result is that of eight draws in ten


class Price(Value):
    """A price, and how far off it may be: `low` and `high` are hardly ever passed."""

    low: float = Field(ge=0)
    typical: float = Field(ge=0)
    high: float = Field(ge=0)
    unit: str = Field(min_length=1)
    source: str = Field(min_length=1)
    date: date

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.low <= self.typical <= self.high:
            raise ValueError(
                f"low {self.low:g}, typical {self.typical:g}, high {self.high:g}: they have to rise"
            )
        return self


class Prices(BaseModel):
    """One figure for each price of the sheet: the typical ones, or a draw of them."""

    model_config = ConfigDict(frozen=True)

    cpu_hour_off_peak: float
    cpu_hour_on_demand: float
    memory_gib_hour: float
    storage_gib_month: float
    traffic_gib: float
    device_price: float
    device_life_years: float
    device_power_w: float
    energy_kwh: float
    engineer_hour: float
    night_hours: float
    service_hours: float
    device_hours: float
    device_hours_per_100: float
    least_replicas: float
    stored_bytes_per_answer: float
    months_kept: float


class PriceSheet(Value):
    """All prices, in one currency. Without a word of their own they are list prices or assumptions:
    each one's `source` says which."""

    currency: str = Field(min_length=1, max_length=5)
    cpu_hour_off_peak: Price
    cpu_hour_on_demand: Price
    memory_gib_hour: Price
    storage_gib_month: Price
    traffic_gib: Price
    device_price: Price
    device_life_years: Price
    device_power_w: Price
    energy_kwh: Price
    engineer_hour: Price
    night_hours: Price
    service_hours: Price
    device_hours: Price
    device_hours_per_100: Price
    least_replicas: Price
    stored_bytes_per_answer: Price
    months_kept: Price

    @model_validator(mode="after")
    def _life_is_not_zero(self) -> Self:
        if not self.device_life_years.low > 0:
            raise ValueError("device_life_years: low has to be above 0")
        return self

    def prices(self) -> dict[str, Price]:
        """Each price by its name."""
        return {name: getattr(self, name) for name in Prices.model_fields}

    def typical(self) -> Prices:
        """The typical figures."""
        return Prices(**{name: price.typical for name, price in self.prices().items()})

    def without_people(self) -> "PriceSheet":
        """The same, and people's hours cost nothing."""
        free = {"low": 0.0, "typical": 0.0, "high": 0.0}
        hour = self.engineer_hour.model_copy(update=free)
        return self.model_copy(update={"engineer_hour": hour})

    def draws(self, seed: int = 1, count: int = DRAWS) -> Sequence[Prices]:
        """Draws of all prices, each by itself from a triangle over low, typical and high."""
        chance = random.Random(seed)
        return [
            Prices(
                **{
                    name: chance.triangular(price.low, price.high, price.typical)
                    for name, price in self.prices().items()
                }
            )
            for _ in range(count)
        ]


@cache
def default_sheet() -> PriceSheet:
    """The sheet that comes with the package."""
    return checked(DEFAULTS, read_mapping(DEFAULTS, PricesError), PriceSheet, PricesError)


def read_sheet(file: Path | None) -> PriceSheet:
    """The sheet of a file; a price that it does not name, or a figure of one, is the default's.

    Raises: PricesError: in one line, what is wrong and what would be right.
    """
    if file is None:
        return default_sheet()
    given: dict[str, Any] = dict(default_sheet().model_dump())
    own = read_mapping(file, PricesError)
    if own.get("currency", given["currency"]) != given["currency"] and (
        missing := [name for name in Prices.model_fields if name not in own]
    ):
        raise PricesError(
            f"{file}: prices in {own['currency']} do not mix with the default's in"
            f" {given['currency']}: name all of them; {missing[0]} is missing"
        )
    for name, value in own.items():
        both = isinstance(value, dict) and isinstance(given.get(name), dict)
        given[name] = {**given[name], **_sourced(value)} if both else value
    return checked(file, given, PriceSheet, PricesError)


def _sourced(own: dict[str, Any]) -> dict[str, Any]:
    """A figure of one's own is not the default's source's."""
    figures = {"low", "typical", "high"} & own.keys()
    return {"source": "the price sheet that was given", **own} if figures else own
