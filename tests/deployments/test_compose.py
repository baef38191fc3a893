"""docker-compose.yml and the Dockerfile, read as data: there is no Docker where the tests run."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.operations.doctor.variables import known_variables, secret_variables

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
    """No server speaks TLS: a password would travel in clear."""
    ports = [port for service in compose["services"].values() for port in service.get("ports", ())]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports)


def test_compose_gives_the_prefect_server_no_password_that_others_know(compose):
    """It makes one at its first start, which its clients read, unless its operator chose one."""
    services = compose["services"]
    server, clients = services["prefect"], (services["deploy"], services["worker"])
    assert server["environment"]["PREFECT_SERVER_API_AUTH_STRING"] == "${PREFECT_API_AUTH_STRING:-}"
    assert server["command"] == ["deployments/server"]
    assert "prefect:/triptych/var/prefect" in server["volumes"]
    for client in clients:
        environment = client["environment"]
        assert environment["PREFECT_API_AUTH_STRING"] == "${PREFECT_API_AUTH_STRING:-}"
        assert environment["PREFECT_API_AUTH_STRING_FILE"].endswith(":-/run/prefect/password}")
        assert "prefect:/run/prefect:ro" in client["volumes"]


def test_compose_puts_no_password_into_an_address(compose):
    """Addresses are logged and shown; clients of PostgreSQL find the password in PGPASSWORD."""
    for name, service in compose["services"].items():
        for variable, value in service.get("environment", {}).items():
            if "postgresql" in str(value):
                assert re.search("//triptych@postgres:", value), (name, variable)
                assert "POSTGRES_PASSWORD" in service["environment"]["PGPASSWORD"], name


def test_secrets_may_come_from_files(compose):
    """Every one that a service of our image gets has a variable that names its file."""
    program = (ROOT / "deployments" / "with-secrets").read_text()
    assert (
        'ENTRYPOINT ["deployments/with-secrets"]'
        in (ROOT / "deployments" / "Dockerfile").read_text()
    )
    for name, service in compose["services"].items():
        environment = service.get("environment", {})
        for variable in environment:
            if re.search("PASSWORD$|AUTH_STRING$|KEYS?$", variable):
                assert {f"{variable}_FILE", f"{variable}__FILE"} & environment.keys(), name
                own_way = name in ("postgres", "device", "grafana")  # of what their images hold
                assert own_way or variable in program
        if any(variable.endswith("_FILE") for variable in environment):
            assert any(volume.endswith(":/run/secrets:ro") for volume in service["volumes"]), name


def with_secrets(name="TRIPTYCH_API_KEYS", **variables):
    """What a command finds in the variable of that name."""
    return subprocess.run(
        [ROOT / "deployments" / "with-secrets", "sh", "-c", f'printf %s "${name}"'],
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
    )


def test_secret_is_read_from_its_file_where_none_is_given(tmp_path):
    """As it stands there, whatever the shell would make of it."""
    secret = "a `key` of $HOME, with \\ and 'quotes' \"all over\" *"
    file = tmp_path / "a key"
    file.write_text(f"{secret}\n")
    found = with_secrets(TRIPTYCH_API_KEYS="", TRIPTYCH_API_KEYS_FILE=str(file))
    assert (found.returncode, found.stdout, found.stderr) == (0, secret, "")
    given = with_secrets(TRIPTYCH_API_KEYS="given", TRIPTYCH_API_KEYS_FILE=str(file))
    assert given.stdout == "given"


@pytest.mark.parametrize("name", secret_variables())
def test_every_setting_that_holds_a_secret_may_come_from_a_file(tmp_path, name):
    """Addresses too: a password may stand in them."""
    file = tmp_path / "secret"
    file.write_text("postgresql+psycopg://user:password@host/database\n")
    found = with_secrets(name, **{f"{name}_FILE": str(file)})
    assert found.stdout == file.read_text().rstrip("\n"), found.stderr
    assert f"{name}_FILE" in known_variables()


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_file_without_a_secret_starts_nothing(tmp_path, content):
    """An empty key would be none, and a service without keys is open."""
    file = tmp_path / "key"
    if content is not None:
        file.write_text(content)
    refused = with_secrets(TRIPTYCH_API_KEYS_FILE=str(file))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "TRIPTYCH_API_KEYS_FILE" in refused.stderr and refused.stderr.count("\n") == 1


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
    assert re.findall(r"^USER (\S+)$", text, re.M) == ["10001"]
    assert "useradd --create-home --uid 10001 triptych" in text
    assert text.count("constraints.txt") >= 3


def test_constraints_name_versions_that_any_index_has():
    """name==version on each line: no local build, no path; and honoured by the project itself."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9a-z.]*", pin) for pin in pins)
    assert any(pin.startswith("torch==") for pin in pins)
