"""The device's unit for systemd and its image, read as data: neither runs where the tests run."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from edge_detector.cli.config import read_config
from edge_detector.cli.options import RUN

from tasks.operations.stack.ports import DEFAULTS

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deployments" / "edge-detector.service"
IMAGE = ROOT / "deployments" / "Dockerfile.device"


def unit() -> dict[str, list[str]]:
    """Settings of the unit, whatever their section."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def options(command: list[str]) -> dict[str, str | bool]:
    """The options of a `run`, as its command line would give them."""
    assert command[0] == "run"
    switches = {option.name for option in RUN if option.default is False}
    given: dict[str, str | bool] = {}
    words = iter(command[1:])
    for word in words:
        name = word.removeprefix("--")
        given[name.replace("-", "_")] = True if name in switches else next(words)
    return given


def default_of(value: str) -> str:
    """What a variable of the compose file is where it is not set."""
    found = re.fullmatch(r"\$\{\w+:?-(.*)\}", value)
    assert found, value
    return found[1]


def test_unit_is_watched_and_started_anew_for_ever():
    """A detector that hangs or ends comes back without a person; a wrong configuration does not."""
    found = unit()
    assert found["Type"] == ["notify"] and int(found["WatchdogSec"][0]) >= 30
    assert found["Restart"] == ["always"] and found["StartLimitIntervalSec"] == ["0"]
    assert found["RestartPreventExitStatus"] == ["2"]
    (start,) = found["ExecStart"]
    assert " -m edge_detector run --headless --config " in start


def test_unit_gives_the_detector_little():
    """An ordinary user, no capability, a read-only system, the camera alone among devices."""
    found = unit()
    assert found["CapabilityBoundingSet"] == [""]
    assert found["DeviceAllow"] == ["char-video4linux rw"] and found["DevicePolicy"] == ["closed"]
    for name in (
        "DynamicUser",
        "NoNewPrivileges",
        "ProtectHome",
        "PrivateTmp",
        "RestrictNamespaces",
    ):
        assert found[name] == ["yes"], name
    assert found["ProtectSystem"] == ["strict"]
    assert found["StateDirectory"] == ["edge-detector"]
    assert "EDGE_DETECTOR_HOME=%S/edge-detector" in found["Environment"][0]


def test_unit_is_one_that_systemd_understands(tmp_path):
    """Every setting is known; only the program is not installed here."""
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("no systemd-analyze here")
    copy = tmp_path / UNIT.name
    copy.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text(), flags=re.M))
    process = subprocess.run([verify, "verify", copy], capture_output=True, text=True, timeout=60)
    said = [line for line in process.stderr.splitlines() if UNIT.name in line]
    assert said == [], process.stderr


def test_image_holds_the_device_alone():
    """Built from the device's folder, as an ordinary user; nothing else of the project is in it."""
    text = IMAGE.read_text()
    copied = re.findall(r"^COPY (.+) \S+$", text, re.M)
    assert copied == ["pyproject.toml README.md", "edge_detector"]
    assert all((ROOT / "edge" / "device" / name).exists() for name in " ".join(copied).split())
    assert re.findall(r"^USER (\S+)$", text, re.M) == ["detector"]
    assert re.findall(r"^FROM (\S+)$", text, re.M) == ["python:3.11-slim"]


def test_device_of_the_compose_file_is_started_with_options_that_it_has(tmp_path):
    """The same check as of a command line; its addresses are those of the server beside it."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    device = services["device"]
    command = [re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", word) for word in device["command"]]
    config = read_config({**options(command), "home": str(tmp_path)})

    assert config.releases == "http://releases:8080/releases"
    assert config.telemetry == "http://releases:8080/telemetry"
    assert config.headless and config.preview == 8090
    build = device["build"]
    assert (ROOT / build["context"] / build["dockerfile"]).resolve() == IMAGE
    assert device["read_only"] and device["cap_drop"] == ["ALL"]
    secrets = "${TRIPTYCH_SECRETS:-secrets}:/run/secrets:ro"
    assert services["releases"]["volumes"] == ["triptych:/triptych/var", secrets]


def test_fraud_services_key_opens_no_telemetry():
    """Fleet and fraud service have keys of their own, also by default; a device has the fleet's."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    fraud, fleet = services["fraud"]["environment"], services["releases"]["environment"]
    assert "TRIPTYCH_FLEET_KEYS" not in fraud and "TRIPTYCH_API_KEYS" not in fleet
    device = services["device"]["environment"]["EDGE_DETECTOR_TELEMETRY_KEY"]
    default = default_of(fleet["TRIPTYCH_FLEET_KEYS"])
    assert default and default == default_of(device) != default_of(fraud["TRIPTYCH_API_KEYS"])


def test_stack_without_docker_serves_releases_too():
    """On a port that can be chosen."""
    procfile = (ROOT / "deployments" / "Procfile").read_text()
    assert 'python -m edge.fleet.server --port "$TRIPTYCH_RELEASES_PORT"' in procfile
    assert "TRIPTYCH_RELEASES_PORT" in DEFAULTS
