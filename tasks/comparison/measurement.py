"""What is known of one model in each of the three ways to deploy it.

Measuring fills these values; prices, advice and the report read them. They are written as JSON
beside the report, and read back by `triptych compare --measurements`.
"""

from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Scenario = Literal["Offline", "Server", "SingleStream", "MultiStream"]


class Value(BaseModel):
    """A value that is written as JSON and does not change."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Way(StrEnum):
    """A way to deploy a model."""

    NIGHT = "night"
    SERVICE = "service"
    DEVICE = "device"


class Latency(Value):
    """How long answers took, in milliseconds, each from its scheduled arrival."""

    p50_ms: float = Field(ge=0)
    p90_ms: float = Field(ge=0)
    p99_ms: float = Field(ge=0)
    # The quantiles 0, 1/200, ... 1, from which the report draws the distribution.
    quantiles_ms: tuple[float, ...] = ()


class Load(Value):
    """One run of a scenario after MLPerf's rules, and how far its figures carry.

    `claim` says in words how many queries the figures rest on and what early stopping
    (inference_rules.adoc) lets them claim; `short_of_rules` what the rules ask and the run lacks,
    empty where it lacks nothing.
    """

    scenario: Scenario
    queries: int = Field(ge=1)
    samples_per_query: int = Field(ge=1)
    seconds: float = Field(gt=0)
    samples_per_s: float = Field(ge=0)
    latency: Latency | None = None  # Offline has none
    scheduled_per_s: float | None = None  # Server: the mean rate of the Poisson arrivals
    claim: str = ""
    short_of_rules: tuple[str, ...] = ()


class HighestRate(Value):
    """The highest rate of Poisson arrivals whose 99th percentile stays within the bound."""

    per_s: float = Field(ge=0)
    bound_ms: float = Field(gt=0)
    p99_ms: float = Field(ge=0)  # at that rate
    queries: int = Field(ge=1)


class Freshness(Value):
    """Seconds from an event to the decision on it, the schedule's waiting counted."""

    typical_s: float = Field(ge=0)
    worst_s: float = Field(ge=0)
    counted: str  # what was added up, in words


class WayMeasured(Value):
    """One model in one way: what was measured there, at its own door.

    A figure that the machine or the way does not tell is None, with its reason in `notes`.
    """

    way: Way
    door: str  # what was asked, in words: the flow, the address, the runtime
    loads: tuple[Load, ...]
    rows_per_s: float = Field(gt=0)
    highest_rate: HighestRate | None = None
    freshness: Freshness
    cpu_s_per_million: float = Field(ge=0)
    peak_memory_mib: float = Field(gt=0)
    start_s: float = Field(ge=0)  # from start-up to the first answer
    network_bytes_per_answer: float = Field(ge=0)
    without_network: str  # what it answers without a network
    energy_j_per_million: float | None = None
    notes: tuple[str, ...] = ()

    def load(self, scenario: Scenario) -> Load | None:
        """The run of a scenario, or None where this way has none."""
        return next((load for load in self.loads if load.scenario == scenario), None)


class Difference(Value):
    """How far the answers of two ways lie apart, on the same rows."""

    ways: tuple[Way, Way]
    largest: float = Field(ge=0)
    same_label_share: float = Field(ge=0, le=1)


class Parity(Value):
    """Whether all ways give the same answers to the same rows, within a stated tolerance."""

    rows: int = Field(ge=1)
    tolerance: float = Field(ge=0)  # the largest difference of two scores that is allowed
    differences: tuple[Difference, ...]

    @property
    def holds(self) -> bool:
        """Whether no two ways differ by more than the tolerance."""
        return all(difference.largest <= self.tolerance for difference in self.differences)


class ModelCompared(Value):
    """One model in all its ways."""

    name: str  # fraud or sentiment
    version: str
    digest: str
    ways: tuple[WayMeasured, ...]
    parity: Parity

    def way(self, way: Way) -> WayMeasured | None:
        """What was measured of one way, or None."""
        return next((measured for measured in self.ways if measured.way == way), None)


class Comparison(Value):
    """A whole run of the comparison, on one machine."""

    started_at: AwareDatetime
    seconds: float = Field(ge=0)
    machine: dict[str, str | int | float]
    models: tuple[ModelCompared, ...]

    def model(self, name: str) -> ModelCompared | None:
        """A model by its name, or None."""
        return next((model for model in self.models if model.name == name), None)
