"""deployments/observe: rules, routes and dashboard, beside what the processes expose."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from edge_detector.outputs.prometheus import render
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from edge.fleet.http.metrics import FleetMetrics
from services.fraud.metrics import Metrics
from tasks.operations.notices.teller import wrong_at_home
from tasks.operations.stack.ports import DEFAULTS
from tasks.operations.watch.figures import KINDS, Figures
from tasks.settings import Settings
from tests.deployments.observed import (
    COMPARISON,
    DASHBOARD,
    OBSERVE,
    metric_names,
    panel_queries,
    program,
    read_alerts,
    read_panels,
    read_records,
)
from tests.edge.device.outputs.test_prometheus import STATUS

TYPE = re.compile(r"^# TYPE (\S+) (\S+)$", re.M)
PARTS = ("_bucket", "_sum", "_count")  # of a histogram


def scraped(file: str) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((OBSERVE / file).read_text())
    return {job["job_name"]: job for job in config["scrape_configs"]}


@pytest.fixture
def exposed(worked_home, tmp_path, monkeypatch) -> set[str]:
    """All names that processes of ours expose, by their own renderers."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    figures = Figures()
    figures.take_troubles(wrong_at_home(Settings(home=worked_home), figures.take_status))
    registry = CollectorRegistry()
    collectors: tuple[type[Collector], ...] = (ProcessCollector, PlatformCollector)
    for collector in collectors:
        collector(registry=registry)  # type: ignore[call-arg]
    registry.register(figures)
    texts = (
        generate_latest(registry),
        FleetMetrics(tmp_path).render(),
        Metrics().render(),
        render({**STATUS, "p99_ms": 20.0}),
    )
    names = {"up"}  # Prometheus's own
    for name, kind in TYPE.findall(b"\n".join(texts).decode()):
        names |= {f"{name}{part}" for part in PARTS} if kind == "histogram" else {name}
    return names


def test_every_metric_that_is_asked_for_is_exposed(exposed):
    """By dashboard, records and alerts; what is not is a panel that stays empty for ever."""
    records = read_records()
    asked = {
        *(expression for _, expression in panel_queries()),
        *records.values(),
        *(alert["expr"] for alert in read_alerts().values()),
    }
    named = {name for expression in asked for name in metric_names(expression)}
    # These are known once a Prefect server answers, or after several nights.
    later = {
        *("triptych_prefect_runs", "triptych_prefect_workers"),
        *("triptych_night_usual_interval_seconds", "triptych_night_usual_positive_ratio"),
    }
    assert len(named) > 40
    assert named - exposed - records.keys() - later == set()
    assert {name for name in named if ":" in name} <= records.keys()


def test_names_are_found_in_an_expression():
    """Not labels, functions, words or numbers."""
    expression = 'max by (le, job) (rate(a_total{x=~"5..|b_c"}[5m])) / on (d) (e:f:g or vector(1))'
    assert metric_names(expression) == {"a_total", "e:f:g"}


def test_alert_compares_one_series_with_a_number_and_says_what_to_do():
    """Its left side can be asked for; its words are what, meaning and cure, as in messages."""
    for name, alert in read_alerts().items():
        assert COMPARISON.fullmatch(alert["expr"]), name
        assert alert["labels"].keys() == {"panel", "severity"}
        assert alert["labels"]["panel"] in ("batch", "real-time", "edge", "stack")
        assert alert["annotations"].keys() == {"summary", "meaning", "action"}
        assert all(len(text) > 15 for text in alert["annotations"].values()), name


def test_every_kind_of_trouble_has_an_alert():
    """By itself, or by a figure that says it earlier."""
    by_figures = {
        *("champion", "disk", "no-worker", "prefect", "prefect-away", "telemetry-old"),
        *(f"device{s}-{health}" for s in ("", "s") for health in ("silent", "degraded")),
    }
    expressions = " ".join(alert["expr"] for alert in read_alerts().values())
    chosen = re.findall(r'kind=~?"([^"]+)"', expressions)
    told = {kind for choice in chosen for kind in choice.split("|")}
    assert told | by_figures == set(KINDS)


def test_both_ways_to_run_the_stack_are_scraped_alike():
    """The same parts under the same names; the ports are those that the parts listen on."""
    in_containers, on_machine = scraped("prometheus.yml"), scraped("prometheus-up.yml")
    assert in_containers.keys() == on_machine.keys()
    ports = {
        job: int(scrape["static_configs"][0]["targets"][0].rpartition(":")[2])
        for job, scrape in on_machine.items()
    }
    alertmanager = ports.pop("alertmanager")
    assert sorted(ports.values()) == sorted(DEFAULTS.values()) and alertmanager == 9093
    for job in in_containers:
        assert in_containers[job].get("metrics_path") == on_machine[job].get("metrics_path")


def test_containers_listen_where_they_are_scraped():
    """By the name and port of docker-compose.yml; what is watched is there without the profile."""
    compose = yaml.safe_load((OBSERVE.parents[1] / "docker-compose.yml").read_text())
    services = compose["services"]
    for job, scrape in scraped("prometheus.yml").items():
        if job == "worker":
            port = scrape["dns_sd_configs"][0]["port"]
            assert services["worker"]["environment"]["TRIPTYCH_WORKER_METRICS_PORT"] == str(port)
            continue
        [target] = scrape["static_configs"][0]["targets"]
        service, _, port = target.partition(":")
        assert service in services, job
        if service == "watch":
            assert services["watch"]["environment"]["TRIPTYCH_METRICS_PORT"] == port
        else:
            assert any(published.endswith(f":{port}") for published in services[service]["ports"])
    for service in ("prometheus", "alertmanager", "grafana"):
        assert services[service]["profiles"] == ["observe"]
        assert re.search(r":v?\d+\.\d+\.\d+$", services[service]["image"])  # of a fixed version


def test_no_secret_stands_in_the_files():
    """Passwords and addresses that are secrets come from files."""
    text = "\n".join(file.read_text() for file in sorted(OBSERVE.rglob("*.yml")))
    for key, value in re.findall(
        r"^\s*-?\s*(\w*(?:password|secret|token|url)\w*): *(\S+)", text, re.M
    ):
        assert key.endswith("_file") or value == "http://prometheus:9090", key
    assert "password_file:" in text and "api_url_file:" in text


def test_dashboard_is_one_that_grafana_takes():
    """Panels of known kinds in four rows, none over another, each with a unit and a source."""
    dashboard = json.loads(DASHBOARD.read_text())
    panels = read_panels()
    [source] = yaml.safe_load((OBSERVE / "grafana/datasources/prometheus.yml").read_text())[
        "datasources"
    ]
    rows = [panel["title"] for panel in dashboard["panels"] if panel["type"] == "row"]
    assert [row.partition(":")[0] for row in rows] == ["Batch", "Real time", "Edge", "Stack"]
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken and place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells
        assert panel["type"] in ("timeseries", "stat", "bargauge")
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"]["uid"] == source["uid"]
        steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        limits = [step["value"] for step in steps]
        assert limits[0] is None and limits[1:] == sorted(limits[1:])
        refs = [target["refId"] for target in panel["targets"]]
        assert refs and len(set(refs)) == len(refs)


def checked(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """What one of the programs says; the test is skipped where it is not there."""
    name = str(arguments[0])
    found = program(name)
    if found is None:
        pytest.skip(f"no {name} here: apt-get install prometheus prometheus-alertmanager")
    return subprocess.run([found, *arguments[1:]], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    "arguments",
    [
        ("promtool", "check", "config", "--syntax-only", OBSERVE / "prometheus.yml"),
        ("promtool", "check", "config", "--syntax-only", OBSERVE / "prometheus-up.yml"),
        ("promtool", "check", "rules", "--lint=all", "--lint-fatal", OBSERVE / "rules.yml"),
        ("promtool", "test", "rules", Path(__file__).with_name("rules_test.yml")),
        ("amtool", "check-config", OBSERVE / "alertmanager.yml"),
    ],
    ids=lambda arguments: " ".join(map(str, arguments[:3])).rpartition("/")[2],
)
def test_real_programs_take_the_files(arguments):
    """And alerts fire when they should, and only then: tests/deployments/rules_test.yml."""
    said = checked(*arguments)
    assert said.returncode == 0, said.stdout + said.stderr


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (["alertname=NightFailed", "panel=batch", "severity=critical"], "operator"),
        (["alertname=NeedsAPerson", "panel=stack", "severity=info"], "operator"),
    ],
)
def test_alert_reaches_somebody(labels, receiver):
    """Whatever its severity."""
    file = f"--config.file={OBSERVE / 'alertmanager.yml'}"
    assert checked("amtool", "config", "routes", "test", file, *labels).stdout.strip() == receiver
