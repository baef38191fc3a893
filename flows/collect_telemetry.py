"""The collection: what devices have reported, loaded into SQL, and how each of them is."""

from datetime import UTC, datetime

from prefect import flow
from pydantic import Field, field_validator

from tasks import collect_telemetry as steps
from tasks.orchestration.command_line import FlowCommand
from tasks.orchestration.parameters import FlowParameters, LocalPath, Moment

FIRST_YEAR = 2024  # of telemetry


class CollectTelemetry(FlowParameters):
    """Load the telemetry that devices have delivered, and report on the fleet.

    Each device is ok, degraded, late or silent. Run it again as often as you like: a record is
    loaded once.
    """

    telemetry: LocalPath | None = Field(
        None,
        description="folder that telemetry arrives in; by default that of the setting"
        " TRIPTYCH_TELEMETRY",
    )
    as_of: Moment | None = Field(
        None,
        description="look back: how the devices were at this instant, such as 2026-11-23T08:00, in"
        " UTC if it names no zone; only reported, not written down; by default now",
    )
    late_minutes: float = Field(
        15, gt=0, le=525_600, description="a device is late if it has not reported for so long"
    )
    silent_hours: float = Field(24, gt=0, le=87_600, description="and silent after so many hours")
    max_temperature_c: float | None = Field(
        80, ge=-100, le=250, description="a device is degraded if its processor is hotter"
    )
    max_p99_ms: float | None = Field(
        None,
        gt=0,
        le=10**9,
        description="or if one frame in a hundred takes longer from capture to result",
    )
    min_fps: float | None = Field(
        None,
        gt=0,
        le=10**6,
        description="or if it sees fewer frames per second; by default, half of its own usual rate",
    )
    keep_days: int = Field(90, ge=1, le=36_500, description="older records are deleted")

    @field_validator("as_of")
    @classmethod
    def _past(cls, as_of: datetime | None) -> datetime | None:
        if as_of is None:
            return None
        instant = as_of if as_of.tzinfo else as_of.replace(tzinfo=UTC)
        if instant.year < FIRST_YEAR:
            raise ValueError(f"no device has reported before {FIRST_YEAR}")
        if instant > datetime.now(UTC):
            raise ValueError("is in the future: use an instant that has passed")
        return instant


@flow(name="collect-telemetry", flow_run_name=steps.name_run)
def collect_telemetry(params: CollectTelemetry) -> steps.Outcome:
    """Load what has arrived, judge each device, report."""
    run = steps.open_run(params)
    loaded = steps.load_records(run)
    devices = steps.judge_devices(run)
    outcome: steps.Outcome = steps.write_report(run, loaded, devices)
    return outcome


COMMAND = FlowCommand(CollectTelemetry, collect_telemetry, steps.ERRORS)

if __name__ == "__main__":
    COMMAND.run("python -m flows.collect_telemetry")
