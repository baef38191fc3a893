"""What a model's user needs: a file of requirements, read strictly."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from tasks.comparison.advice.strategy import Strategy
from tasks.comparison.errors import RequirementsError
from tasks.comparison.measurement import Value
from tasks.comparison.pricing.cost import Demand
from tasks.comparison.units import DAY_S, Bytes, Seconds
from tasks.comparison.yaml_file import checked, read_mapping

PEAKS = {"flat": 1.0, "working-hours": 3.0, "peaks": 10.0}  # the busiest hour, beside the mean


def _word(given: Any) -> Any:
    """YAML takes yes and no for truth values."""
    return {True: "yes", False: "no"}[given] if isinstance(given, bool) else given


class Expected(Value):
    """What the right answer is, in the examples that are shipped."""

    answer: Strategy
    decided_by: tuple[str, ...]


class Requirements(Value):
    """The needs, by the keys of the file."""

    name: str = Field(min_length=1, max_length=80)
    about: str = ""
    model: Literal["fraud", "sentiment"] | None = None

    waiting: Literal["nobody", "person", "machine"]
    latency: Seconds | None = None
    freshness: Seconds | None = None

    volume_per_day: float = Field(gt=0, le=1e12)
    daily_curve: Literal["flat", "working-hours", "peaks"] = "working-hours"
    devices: int = Field(0, ge=0, le=10**9)
    request: Bytes = 1_000.0

    data_may_leave: Annotated[Literal["yes", "results-only", "no"], BeforeValidator(_word)] = "yes"
    connectivity: Literal["always", "at-times", "never"] = "always"
    rests_on: Literal["own-data", "data-of-others"] = "own-data"
    known_the_day_before: Literal["nothing", "part", "all"] = "nothing"

    compute: Seconds = 0.005
    round_trip: Seconds = 0.03
    budget_per_month: float | None = Field(None, ge=0)
    maintained_by: Literal["nobody", "person", "team"] = "team"

    expected: Expected | None = None

    @property
    def demand(self) -> Demand:
        """How much is asked."""
        return Demand(
            per_s=self.volume_per_day / DAY_S,
            peak=PEAKS[self.daily_curve],
            devices=self.devices,
            bytes_per_request=self.request if self.devices else None,  # else it lies there already
        )


def read_requirements(file: Path) -> Requirements:
    """The needs that a file tells of.

    Raises: RequirementsError: in one line, which key is wrong and what would be right.
    """
    given = read_mapping(file, RequirementsError)
    return checked(file, given, Requirements, RequirementsError)
