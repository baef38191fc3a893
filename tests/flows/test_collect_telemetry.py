"""The collection of telemetry, as its user starts it."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from flows.collect_telemetry import CollectTelemetry
from tasks.orchestration.command_line import parse
from tests.edge.fleet.records import a_record, line, put
from tests.flows.command import command

pytestmark = pytest.mark.slow

FLOW = "flows.collect_telemetry"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "var"
    home.mkdir()
    return home


def collect(home: Path, *arguments: str) -> tuple[int, str, str]:
    process = command(FLOW, home, *arguments)
    output, errors = process.communicate(timeout=240)
    return process.returncode, output, errors


def sql(home: Path, query: str) -> list[Any]:
    engine = sa.create_engine(f"sqlite:///{home / 'triptych.db'}")
    with engine.connect() as connection:
        rows = list(connection.execute(sa.text(query)))
    engine.dispose()
    return rows


def test_command_loads_judges_and_reports(home, run_here):
    """Records in SQL, each device with its health, rubbish counted, and a page."""
    now = datetime.now(UTC)

    def records(device: str, count: int, minutes_ago: int = 0, **changes: Any) -> list[bytes]:
        last = now - timedelta(minutes=minutes_ago)
        ends = [(last - timedelta(minutes=count - n)).isoformat() for n in range(1, count + 1)]
        return [line(a_record(n, device=device, at=at, **changes)) for n, at in enumerate(ends, 1)]

    inbox = home / "telemetry"
    code, _, errors = run_here("collect_telemetry", home, "--telemetry", __file__)
    assert code == 1 and "error: " in errors and Path(__file__).name in errors

    code, output, errors = run_here("collect_telemetry", home)  # before any device

    assert code == 0, errors
    assert "No device has reported yet." in output
    assert "Traceback" not in output + errors

    put(inbox, "a.jsonl", *records("press-1", 9), device="press-1")
    hot = records("press-2", 8, temperature_c=91.0)
    put(inbox, "a.jsonl", *hot, b"rubbish\n", device="press-2")
    put(inbox, "a.jsonl", *records("old", 1, minutes_ago=3_000), device="old")

    code, output, errors = collect(home)

    assert code == 0, errors
    assert not re.search(r"Traceback|ERROR", output + errors), output + errors
    assert "3 devices: 1 ok, 1 degraded, 1 silent." in output
    assert "press-2: 91 °C; 80 is the limit" in output
    assert sql(home, "SELECT count(*) FROM device_telemetry") == [(18,)]
    assert sql(home, "SELECT device, health FROM devices ORDER BY device") == [
        ("old", "silent"),
        ("press-1", "ok"),
        ("press-2", "degraded"),
    ]
    assert sql(home, "SELECT device, line FROM rejected_telemetry") == [("press-2", 9)]
    (page,) = (home / "fleet" / "reports").glob("*.html")
    assert str(page) in output and "2 of 3 devices need a look" in page.read_text()

    earlier = f"{now - timedelta(minutes=5):%Y-%m-%dT%H:%MZ}"
    code, output, errors = run_here("collect_telemetry", home, "--as-of", earlier)
    assert code == 0, errors  # as it was: press-1 had reported then, and nothing is written down
    assert "3 devices: 1 ok, 1 degraded, 1 silent." in output
    judged = sql(home, "SELECT max(judged_at) FROM devices")
    assert datetime.fromisoformat(judged[0][0]).replace(tzinfo=UTC) >= now
    assert sql(home, "SELECT count(*) FROM device_telemetry") == [(18,)]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("late-minutes", "-1"),
        ("late-minutes", "1e300"),
        ("silent-hours", "inf"),
        ("max-temperature-c", "nan"),
        ("max-p99-ms", "inf"),
        ("min-fps", "1e300"),
        ("keep-days", "10000000000"),
        ("as-of", "2999-01-01T00:00"),
        ("as-of", "9999-12-31T23:59-12:00"),
        ("as-of", "0001-01-01T00:00+14:00"),
    ],
)
def test_command_names_a_wrong_argument(option, value, capsys):
    """In one line, and nothing is started."""
    with pytest.raises(SystemExit) as ended:
        parse(CollectTelemetry, FLOW, [f"--{option}", value])

    errors = capsys.readouterr().err
    assert ended.value.code == 2
    assert errors.startswith(f"{FLOW}: error: --{option}: ") and errors.count("\n") == 1


def test_instant_without_a_zone_is_in_utc():
    """As the help says."""
    given = CollectTelemetry.model_validate({"as_of": "2026-01-02T08:00"})

    assert given.as_of == datetime(2026, 1, 2, 8, tzinfo=UTC)
