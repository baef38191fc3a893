"""How all stands, as Prometheus reads it."""

import re
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from tasks.operations.exporter import ExporterError, serve
from tasks.operations.notices.memory import kind_of
from tasks.operations.notices.teller import wrong_at_home
from tasks.operations.notices.trouble import Trouble
from tasks.operations.status.state import Edge, Night, RealTime, Schedule, Status
from tasks.operations.watch.figures import KINDS, MOST_SOURCES, Figures
from tasks.settings import Settings

ROOT = Path(__file__).parents[4]
NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
NO_MODELS = RealTime(None, None, None, "", None, None, 0, None, None, 0)
NO_EDGE = Edge("releases", "", (), None, None, (), None)


def status(*nights: Night) -> Status:
    return Status(NOW, "var", True, Schedule(None), nights, NO_MODELS, NO_EDGE, 5, 10)


def night(source: str, started_at: datetime) -> Night:
    ended_at = started_at + timedelta(minutes=2)
    words = ("finished", 10, 8, 1, 0, started_at, ended_at, "", "bundled")
    return Night(source, "2026-11-22", *words, positive_share=0.5)


def read(figures: Figures) -> dict[tuple[str, ...], float]:
    """What a scrape finds: a value by its name and labels."""
    registry = CollectorRegistry()
    registry.register(figures)
    return {
        (sample.name.removeprefix("triptych_"), *sample.labels.values()): sample.value
        for family in registry.collect()
        for sample in family.samples
    }


def test_home_is_told_in_figures(worked_home, monkeypatch):
    """Nights, model, devices, releases and disk of a home in which all panels have worked."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    figures = Figures()
    assert read(figures) == {}  # before the first look nothing is known

    figures.take_troubles(wrong_at_home(Settings(home=worked_home), figures.take_status))
    found = read(figures)

    assert found["night_state", "shop", "finished"] == 1
    assert found["night_rows", "shop", "rejected"] == 2
    assert 0 < found["night_positive_ratio", "shop"] < 1
    assert found["night_finished_timestamp_seconds", "shop"] > 1.7e9
    assert found["champion_ready",] == 1
    assert found["champion_average_precision", "measured"] == pytest.approx(0.68)
    assert found["devices", "ok"] == 1
    assert found["release_metadata_expiry_timestamp_seconds", "timestamp"] > 1.7e9
    assert found["disk_free_bytes",] > 0
    assert found["prefect_up",] == 0
    assert {("troubles", kind) for kind in KINDS} <= found.keys()
    assert ("night_usual_interval_seconds", "shop") not in found  # one night tells of none


def test_every_kind_of_trouble_has_a_series():
    """Whatever the code can find wrong; a rule that waits for it is no rule that waits for ever."""
    written = re.compile(r'Trouble\(\s*f?"([a-z-]+)[":{]')
    sources = (ROOT / "tasks" / "operations").rglob("*.py")
    found = {kind for source in sources for kind in written.findall(source.read_text())}
    # These two end in a device's health.
    named = {kind for kind in found if not kind.endswith("-")} | {
        f"{kind}{health}"
        for kind in found
        if kind.endswith("-")
        for health in ("silent", "degraded")
    }
    assert len(found) > 20 and set(KINDS) == named


def test_troubles_are_counted_by_kind_and_never_named():
    """A device's or a run's id would be a series of its own, for ever."""
    figures = Figures()
    keys = ("device-silent:cam-7", "device-silent:cam-8", "run-stuck:0b1c")
    figures.take_troubles([Trouble(key, "what", "meaning", "cure") for key in keys])
    found = read(figures)
    assert found["troubles", "device-silent"] == 2
    assert found["troubles", "run-stuck"] == 1
    assert sum(found.values()) == 3
    assert {kind for _, kind in found} == set(KINDS) == {kind_of(kind) for kind in KINDS}


def test_sources_are_bounded():
    """Of runs on many files of other names, and of what has not come for long."""
    figures = Figures()
    old = night("old", NOW - timedelta(days=40))
    many = [night(f"file-{number}", NOW) for number in range(MOST_SOURCES + 5)]
    figures.take_status(status(*many, old))
    shown = {name[1] for name in read(figures) if name[0] == "night_duration_seconds"}
    assert len(shown) == MOST_SOURCES and "old" not in shown


def test_figures_are_served_beside_those_of_the_process():
    """On the address that is asked for, as text that Prometheus reads."""
    figures = Figures()
    figures.take_status(status(night("shop", NOW)))
    port = serve("127.0.0.1", 0, figures)
    text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    names = {family.name for family in text_string_to_metric_families(text)}
    assert {"triptych_night_duration_seconds", "process_resident_memory_bytes"} <= names


def test_port_that_is_taken_is_told_with_its_setting():
    """In one line, before anything is watched."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ExporterError, match=rf"{port} \(Address .*give another port in W"):
            serve("127.0.0.1", port, setting="W")
