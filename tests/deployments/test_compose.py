"""docker-compose.yml and the Dockerfile, read as data: there is no Docker where the tests run."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return content


def test_compose_services_wait_for_what_they_need(compose):
    """Every dependency exists, and has a healthcheck or ends by itself."""
    services = compose["services"]
    for name, service in services.items():
        for needed, how in service.get("depends_on", {}).items():
            assert needed in services, name
            if how["condition"] == "service_healthy":
                assert services[needed]["healthcheck"]["test"], needed
            else:
                assert how["condition"] == "service_completed_successfully"
                assert services[needed]["restart"] == "no", needed
    assert set(services["worker"]["depends_on"]) == {"postgres", "deploy"}


def test_compose_worker_writes_to_postgres_and_a_volume(compose):
    """What a night produces outlives the containers."""
    worker = compose["services"]["worker"]
    assert worker["environment"]["TRIPTYCH_DATABASE_URL"].startswith("postgresql+psycopg://")
    assert worker["environment"]["TRIPTYCH_HOME"] == "/triptych/var"
    assert "triptych:/triptych/var" in worker["volumes"]
    for service in compose["services"].values():
        for volume in service.get("volumes", ()):
            source = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", volume).split(":")[0]
            if source.startswith("."):
                assert (ROOT / source).exists(), volume
            else:
                assert source in compose["volumes"], volume


def test_compose_publishes_ports_on_this_machine_only(compose):
    """The Prefect server asks nobody for a password."""
    ports = [port for service in compose["services"].values() for port in service.get("ports", ())]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports)


def test_compose_runs_only_commands_that_the_image_has(compose):
    """The image is built from the Dockerfile, and its scripts may be executed."""
    for name in ("prefect", "deploy", "worker"):
        service = compose["services"][name]
        assert (ROOT / service["build"]["dockerfile"]).exists()
        program = service["command"][0]
        if program.startswith("deployments/"):
            assert (ROOT / program).stat().st_mode & 0o111, program


def test_image_runs_as_an_ordinary_user_on_the_tested_set():
    """Not as root; with the versions of constraints.txt; on the oldest Python that is promised."""
    text = (ROOT / "deployments" / "Dockerfile").read_text()
    assert re.search(r"^FROM python:3\.11-slim$", text, re.M)
    assert re.findall(r"^USER (\S+)$", text, re.M) == ["triptych"]
    assert text.count("constraints.txt") >= 3


def test_constraints_name_versions_that_any_index_has():
    """name==version on each line: no local build, no path; and honoured by the project itself."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9a-z.]*", pin) for pin in pins)
    assert any(pin.startswith("torch==") for pin in pins)
