"""One look at everything: what is well is told in a line each, and nothing is changed."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.operations.doctor.check import State
from tasks.operations.doctor.examine import examine
from tasks.operations.doctor.show import show_checks
from tests.tasks.operations.doctor.faults import the_fault


def content(home: Path) -> dict[str, str]:
    """Every file, by its digest."""
    files = sorted(file for file in home.rglob("*") if file.is_file())
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.fixture
def packages_are_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine of the tests has installed."""
    monkeypatch.setattr("tasks.operations.doctor.packages.check_packages", lambda: iter(()))


def test_sound_home_needs_nobody_and_is_as_it_was(home, packages_are_well, capsys):
    """Not a file more, less or other; status 0."""
    before = content(home)

    status = show_checks()
    output = capsys.readouterr().out

    assert (status, output.splitlines()[-1]) == (0, "nothing is wrong"), output
    assert content(home) == before
    for about in ("python", "clock", "disk", "permissions", "database", "nights", "releases"):
        assert f"ok       {about} " in output
    assert "triptych-sentiment: its digest, and 10 known texts" in output
    assert "champion fraud_detector:able: its digests, and 2 known answers" in output
    assert "as they were signed: parts 1.2.3" in output


def test_empty_home_is_told_what_to_type_first(tmp_path, monkeypatch, packages_are_well, capsys):
    """Nothing is wrong, and no folder is made."""
    monkeypatch.setenv("TRIPTYCH_HOME", str(tmp_path / "nothing"))

    status = show_checks()
    output = capsys.readouterr().out

    assert status == 0, output
    assert "first type: triptych up" in output and "type: triptych train-fraud" in output
    assert not (tmp_path / "nothing").exists()


def test_clock_in_1970_is_named_with_its_cure(home, packages_are_well, monkeypatch):
    """Signatures do not count as expired by it."""
    monkeypatch.setattr(
        "tasks.operations.doctor.sentiment.check_models", lambda home: iter(())
    )  # takes seconds

    fault = the_fault(examine(datetime(1970, 1, 1, tzinfo=UTC)))

    assert fault.about == "clock"
    assert "the clock says 1970-01-01" in fault.told and "timedatectl" in fault.cure


def test_look_that_fails_stops_no_other(home, packages_are_well, monkeypatch):
    """It is a fault of its own, named."""

    def fail(_settings):
        raise RuntimeError("nobody has thought of this")

    monkeypatch.setattr("tasks.operations.doctor.databases.check_databases", fail)
    monkeypatch.setattr("tasks.operations.doctor.sentiment.check_models", lambda home: iter(()))

    found = list(examine(datetime.now(UTC) + timedelta(seconds=1)))

    (failed,) = [check for check in found if "nobody has thought of this" in check.told]
    assert (failed.about, failed.state) == ("databases", State.FAULT)
    assert {"nights", "releases", "device"} <= {check.about for check in found}


def test_wrong_settings_are_told_and_the_home_is_left_alone(home, packages_are_well, monkeypatch):
    """Nobody knows then where things lie."""
    monkeypatch.setenv("TRIPTYCH_TASK_RUNNER", "dusk")

    found = list(examine(datetime.now(UTC)))

    assert the_fault(found).told.startswith("TRIPTYCH_TASK_RUNNER: use threads, dask")
    assert found[-1].told == "it is looked at once the settings make sense"
