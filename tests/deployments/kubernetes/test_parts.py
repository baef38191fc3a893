"""Compose, `triptych up` and Kubernetes run the same parts: commands, settings, ports, probes."""

import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tasks.operations.stack.ports import DEFAULTS
from tests.deployments.kubernetes.described import (
    Statement,
    disagreements,
    in_compose,
    on_kubernetes,
    on_machine,
)
from tests.deployments.kubernetes.kustomize import (
    BASE,
    PRODUCTION,
    ROOT,
    SMALL,
    Object,
    containers_of,
    find,
    identity,
    render,
)

DOCKERFILE = ROOT / "deployments" / "Dockerfile"
PROCFILE = ROOT / "deployments" / "Procfile"


@dataclass
class Descriptions:
    """The three, to be changed in memory."""

    compose: Object
    procfile: str
    ports: dict[str, int]
    objects: list[Object]
    image: str

    def statements(self, folder: Path) -> list[Statement]:
        """All that they say. folder: for a copy of the Procfile, which is read from a file."""
        procfile = folder / "Procfile"
        procfile.write_text(self.procfile)
        return [
            *in_compose(self.compose, self.image),
            *on_machine(procfile, self.ports),
            *on_kubernetes(self.objects, self.image),
        ]

    def container(self, part: str) -> Object:
        """The container of a part on Kubernetes."""
        pod = find(self.objects, "Deployment", part)["spec"]["template"]["spec"]
        (found,) = [each for each in containers_of(pod) if each["name"] == part]
        return found

    def service(self, part: str) -> Object:
        """A part as compose has it."""
        service: Object = self.compose["services"][part]
        return service


@pytest.fixture(scope="module")
def as_they_are() -> Descriptions:
    return Descriptions(
        compose=yaml.safe_load((ROOT / "docker-compose.yml").read_text()),
        procfile=PROCFILE.read_text(),
        ports=dict(DEFAULTS),
        objects=render(BASE),
        image=DOCKERFILE.read_text(),
    )


@pytest.fixture
def described(as_they_are: Descriptions) -> Descriptions:
    return deepcopy(as_they_are)


def test_three_descriptions_agree(described, tmp_path):
    """Commands, ports, probes, and settings with their values."""
    assert disagreements(described.statements(tmp_path)) == []


@pytest.mark.parametrize("overlay", [SMALL, PRODUCTION], ids=lambda folder: folder.name)
def test_overlays_agree_with_the_others_but_for_values_of_settings(described, tmp_path, overlay):
    """An overlay names another database; it changes no command, port or probe."""
    described.objects = render(overlay)
    assert disagreements(described.statements(tmp_path), with_settings=False) == []


def _published(changed: Descriptions) -> None:
    changed.service("fraud")["ports"] = ["127.0.0.1:3000:3001"]


def _asked_in_compose(changed: Descriptions) -> None:
    healthcheck = changed.service("prefect")["healthcheck"]
    healthcheck["test"][-1] = healthcheck["test"][-1].replace(":4200/", ":4201/")


def _path_in_compose(changed: Descriptions) -> None:
    healthcheck = changed.service("releases")["healthcheck"]
    healthcheck["test"][-1] = healthcheck["test"][-1].replace("/health", "/healthz")


def _no_healthcheck(changed: Descriptions) -> None:
    del changed.service("fraud")["healthcheck"]


def _command_in_compose(changed: Descriptions) -> None:
    changed.service("watch")["command"] = ["python", "-m", "flows", "look"]


def _port_argument_in_compose(changed: Descriptions) -> None:
    changed.service("releases")["command"][-1] = "8081"


def _metrics_in_compose(changed: Descriptions) -> None:
    changed.service("watch")["environment"]["TRIPTYCH_METRICS_PORT"] = "8095"


def _setting_in_compose(changed: Descriptions) -> None:
    changed.service("worker")["environment"]["TRIPTYCH_DATABASE_URL"] = "postgresql+psycopg://other"


def _setting_missing_in_compose(changed: Descriptions) -> None:
    del changed.service("fraud")["environment"]["TRIPTYCH_API_KEYS"]


def _part_missing_in_compose(changed: Descriptions) -> None:
    del changed.compose["services"]["watch"]


def _port_on_machine(changed: Descriptions) -> None:
    changed.ports["TRIPTYCH_FRAUD_PORT"] = 3001


def _metrics_port_on_machine(changed: Descriptions) -> None:
    changed.ports["TRIPTYCH_WORKER_METRICS_PORT"] = 8095


def _other_variable_in_procfile(changed: Descriptions) -> None:
    changed.procfile = changed.procfile.replace(
        'fleet.server --port "$TRIPTYCH_RELEASES_PORT"', 'fleet.server --port "$TRIPTYCH_PORT"'
    )


def _command_in_procfile(changed: Descriptions) -> None:
    changed.procfile = changed.procfile.replace("service:FraudDetector", "service:Detector")


def _container_port(changed: Descriptions) -> None:
    changed.container("fraud")["ports"][0]["containerPort"] = 3001


def _port_argument(changed: Descriptions) -> None:
    changed.container("fraud")["args"][-1] = "3001"


def _service_port(changed: Descriptions) -> None:
    find(changed.objects, "Service", "prefect")["spec"]["ports"][0]["port"] = 80


def _policy_port(changed: Descriptions) -> None:
    policy = find(changed.objects, "NetworkPolicy", "releases")
    policy["spec"]["ingress"][0]["ports"][0]["port"] = 80


def _scraped_port(changed: Descriptions) -> None:
    template = find(changed.objects, "Deployment", "watch")["spec"]["template"]
    template["metadata"]["annotations"]["prometheus.io/port"] = "9091"


def _probe_port(changed: Descriptions) -> None:
    changed.container("worker")["livenessProbe"]["httpGet"]["port"] = 8092


def _liveness_path(changed: Descriptions) -> None:
    changed.container("fraud")["livenessProbe"]["httpGet"]["path"] = "/readyz"


def _readiness_path(changed: Descriptions) -> None:
    changed.container("fraud")["readinessProbe"]["httpGet"]["path"] = "/livez"


def _no_readiness(changed: Descriptions) -> None:
    del changed.container("releases")["readinessProbe"]


def _command(changed: Descriptions) -> None:
    changed.container("worker")["args"] = ["deployments/worker"]
    changed.container("worker")["args"] += ["--limit", "1", "--with-healthcheck"]


def _setting(changed: Descriptions) -> None:
    data = find(changed.objects, "ConfigMap", "prefect-client")["data"]
    data["PREFECT_API_URL"] = "http://prefect:4200"


def _setting_missing(changed: Descriptions) -> None:
    changed.container("worker")["env"] = [
        each for each in changed.container("worker")["env"] if each["name"] != "PGPASSWORD"
    ]


def _setting_of_one_alone(changed: Descriptions) -> None:
    new = {"name": "TRIPTYCH_FRAUD_WORKERS", "value": "2"}
    changed.container("fraud")["env"].append(new)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (_published, "fraud: port"),
        (_asked_in_compose, "prefect: port"),
        (_path_in_compose, "releases: is alive"),
        (_no_healthcheck, "fraud: is alive"),
        (_command_in_compose, "watch: command"),
        (_port_argument_in_compose, "releases: port"),
        (_metrics_in_compose, "watch: port"),
        (_setting_in_compose, "worker: setting TRIPTYCH_DATABASE_URL"),
        (_setting_missing_in_compose, "fraud: setting TRIPTYCH_API_KEYS"),
        (_part_missing_in_compose, "watch: command"),
        (_port_on_machine, "fraud: port"),
        (_metrics_port_on_machine, "worker: port"),
        (_other_variable_in_procfile, "releases: port"),
        (_command_in_procfile, "fraud: command"),
        (_container_port, "fraud: port"),
        (_port_argument, "fraud: port"),
        (_service_port, "prefect: port"),
        (_policy_port, "releases: port"),
        (_scraped_port, "watch: port"),
        (_probe_port, "worker: health port"),
        (_liveness_path, "fraud: is alive"),
        (_readiness_path, "fraud: is ready"),
        (_no_readiness, "releases: is ready"),
        (_command, "worker: command"),
        (_setting, "worker: setting PREFECT_API_URL"),
        (_setting_missing, "worker: setting PGPASSWORD"),
        (_setting_of_one_alone, "fraud: setting TRIPTYCH_FRAUD_WORKERS"),
    ],
    ids=lambda value: value.__name__.strip("_") if callable(value) else None,
)
def test_change_in_one_of_the_three_is_found(
    described, tmp_path, change: Callable[[Descriptions], None], part
):
    """Whether of a port, a command, a setting or a probe; and the part and the fact are named."""
    change(described)
    found = disagreements(described.statements(tmp_path))
    assert any(line.startswith(f"{part}: ") for line in found), found


def test_every_part_of_the_procfile_is_on_kubernetes_or_a_device(described):
    """A process that is added there is not forgotten here."""
    names = set(re.findall(r"^(\w+):", described.procfile, re.M))
    assert names == {"server", "worker", "fraud", "releases", "watch", "device"}
    deployments = {name for kind, name in map(identity, described.objects) if kind == "Deployment"}
    assert deployments == {"prefect", "worker", "fraud", "releases", "watch", "pods-worker"}


def test_small_overlay_has_the_database_of_compose(described):
    """The same image, databases and port."""
    small = render(SMALL)
    compose = described.service("postgres")
    pod = find(small, "StatefulSet", "postgres")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == compose["image"]
    script = (ROOT / "deployments" / "databases.sql").read_text()
    assert find(small, "ConfigMap", "postgres")["data"] == {"databases.sql": script}
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    volumes = {volume.split(":")[1] for volume in compose["volumes"]}
    assert "/var/lib/postgresql" in mounts & volumes
    assert container["startupProbe"]["exec"]["command"] == compose["healthcheck"]["test"][1:]
    names = {variable["name"] for variable in container["env"]}
    assert names == {name for name in compose["environment"] if not name.endswith("_FILE")}
