"""What docker-compose.yml, the Procfile with its stack, and Kubernetes say of the same parts.

Each description is read for what it states: a part, a fact, where it stands and the value. Where
two statements of a fact differ, or one that should be there is missing, the descriptions disagree.
"""

import re
import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tasks.operations.stack import parts
from tests.deployments.kubernetes.kustomize import ROOT, Object, containers_of, identity, pod_of

IN_CONTAINERS = {  # arguments that a part has there and not on a machine of its own
    "releases": ("--host", "0.0.0.0"),
    "worker": ("--with-healthcheck",),
}
PARTS = {  # their names in the Procfile; each is a step or a process of `triptych up`
    "prefect": "server",
    "deploy": "deploy",
    "worker": "worker",
    "watch": "watch",
    "fraud": "fraud",
    "releases": "releases",
}
PORTS = {  # the variable of `triptych up` that each one's port is in
    "prefect": "TRIPTYCH_PORT",
    "worker": "TRIPTYCH_WORKER_METRICS_PORT",
    "watch": "TRIPTYCH_METRICS_PORT",
    "fraud": "TRIPTYCH_FRAUD_PORT",
    "releases": "TRIPTYCH_RELEASES_PORT",
}
SECRET = "a secret"
_SECRET = re.compile(r"PGPASSWORD|.*(AUTH_STRING|_KEYS|NOTIFY_URLS)")
ONLY_IN_COMPOSE = {
    "TRIPTYCH_TRACES_URL",  # empty, until somebody sets it
    *("PREFECT_API_AUTH_STRING_FILE", "PREFECT_SERVER_API_AUTH_STRING_FILE", "PGPASSWORD_FILE"),
    *("TRIPTYCH_API_KEYS_FILE", "TRIPTYCH_FLEET_KEYS_FILE", "TRIPTYCH_NOTIFY_URLS_FILE"),
}
ONLY_IN_KUBERNETES = {
    "HOME",  # its own in the image is read-only
    *("PREFECT_HOME", "PREFECT_SERVER_UI_STATIC_DIRECTORY"),  # the same
    "TRIPTYCH_FRAUD_STATE_URL",  # in compose the one service has a file
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
}


@dataclass(frozen=True)
class Statement:
    """That a description says of a part, at a place, that a fact has a value."""

    part: str
    fact: str
    where: str
    value: Any


def disagreements(statements: Iterable[Statement], *, with_settings: bool = True) -> list[str]:
    """What differs between statements, a line each; and what nobody states that should be said.

    with_settings: whether settings count, which overlays may change.
    """
    by_fact: dict[tuple[str, str], dict[str, Any]] = defaultdict(dict)
    for each in statements:
        if with_settings or not each.fact.startswith("setting "):
            by_fact[each.part, each.fact][each.where] = each.value
    found = [
        f"{part}: {fact}: " + ", ".join(f"{where}: {value}" for where, value in said.items())
        for (part, fact), said in by_fact.items()
        if len(set(said.values())) > 1
    ]
    for (part, fact), places in expected().items():
        missing = places - by_fact[part, fact].keys()
        found += [f"{part}: {fact}: not said by {place}" for place in sorted(missing)]
    for (part, fact), said in by_fact.items():
        if fact.startswith("setting ") and len(said) == 1:
            found.append(f"{part}: {fact}: said by {', '.join(said)} alone")
    return found


def expected() -> dict[tuple[str, str], set[str]]:
    """Which places state a fact; of a part that is missing anywhere, all of this is."""
    found = {(part, "command"): {"compose", "Procfile", "Kubernetes"} for part in PARTS}
    for part in PORTS:
        found[part, "port"] = {"`triptych up`", "container"}
    for part in ("fraud", "releases", "watch", "worker"):
        found[part, "port"].add("scraped")
    for part in ("fraud", "releases"):
        found[part, "port"] |= {"compose, published", "compose, --port", "--port", "Service"}
        found[part, "port"] |= {"startupProbe", "readinessProbe", "livenessProbe", "NetworkPolicy"}
    found["prefect", "port"] |= {"compose, published", "Service", "NetworkPolicy", "readinessProbe"}
    for part in ("watch", "worker"):
        found[part, "port"] |= {"compose, a variable", "a variable", "NetworkPolicy"}
    for part in ("prefect", "fraud", "releases"):
        found[part, "is alive"] = {"compose", "livenessProbe", "startupProbe"}
        found[part, "is ready"] = {"`triptych up`", "readinessProbe"}
    found["worker", "is alive"] = {"compose", "livenessProbe", "startupProbe"}
    return found


def in_compose(compose: Object, image: str) -> Iterator[Statement]:
    """image: the text of its Dockerfile, whose variables a service has too."""
    for part in PARTS:
        service = compose["services"].get(part)
        if service is None:
            continue
        command = [str(word) for word in service["command"]]
        yield Statement(part, "command", "compose", _bare(part, command))
        yield from _ports_of_command(part, command, "compose, --port")
        for published in service.get("ports", ()):
            yield Statement(part, "port", "compose, published", int(published.rpartition(":")[2]))
        settings = {**image_settings(image), **service.get("environment", {})}
        if port := settings.get(PORTS.get(part, "")):
            yield Statement(part, "port", "compose, a variable", int(port))
        asked = re.findall(r"http://127\.0\.0\.1:(\d+)(/[\w/]*)", str(service.get("healthcheck")))
        for port, path in asked:
            yield Statement(part, "is alive", "compose", path)
            yield Statement(part, _probed(part), "compose, healthcheck", int(port))
        for name, value in settings.items():
            if name not in ONLY_IN_COMPOSE:
                yield Statement(part, f"setting {name}", "compose", _value(name, value))


def on_machine(procfile: Path, ports: Mapping[str, int]) -> Iterator[Statement]:
    """What `triptych up` makes of a Procfile."""
    with patch.object(parts, "_answers", lambda url: url):
        stack = {
            part.name: part
            for part in parts.build(procfile, ROOT / "var", ports, train=True, publish=True)
        }
    for part, name in PARTS.items():
        if name not in stack:
            continue
        text = stack[name].command.removeprefix("exec ")
        for variable, port in ports.items():
            text = text.replace(f'"${variable}"', str(port))
        command = shlex.split(text)
        yield Statement(part, "command", "Procfile", _bare(part, command))
        yield from _ports_of_command(part, command, "Procfile, --port")
        if part in PORTS:
            yield Statement(part, "port", "`triptych up`", ports[PORTS[part]])
        asked: object = stack[name].is_ready
        if isinstance(asked, str):  # the address, by the patch above
            yield Statement(part, "is ready", "`triptych up`", _path(asked))


def on_kubernetes(objects: Iterable[Object], image: str) -> Iterator[Statement]:
    """What the objects of an overlay say. image: as for compose."""
    every = list(objects)
    for part in PARTS:
        for workload in every:
            pod = pod_of(workload)
            if pod and identity(workload)[1] == part:
                container = next(each for each in containers_of(pod) if each["name"] == part)
                yield from _of_container(part, container, every, image_settings(image))
                yield from _scraped(part, workload)
        yield from _around(part, every)


def _of_container(
    part: str, container: Object, every: list[Object], of_image: dict[str, str]
) -> Iterator[Statement]:
    yield Statement(part, "command", "Kubernetes", _bare(part, container["args"]))
    yield from _ports_of_command(part, container["args"], "--port")
    named = {each["name"]: each["containerPort"] for each in container.get("ports", ())}
    for name, port in named.items():
        fact = "port" if name in ("http", "metrics") else "health port"
        yield Statement(part, fact, "container", port)
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        if asked := container.get(probe, {}).get("httpGet"):
            fact = "is ready" if probe == "readinessProbe" else "is alive"
            yield Statement(part, fact, probe, asked["path"])
            yield Statement(part, _probed(part), probe, named.get(asked["port"], asked["port"]))
    settings = of_image | settings_of(container, every)
    if port := settings.get(PORTS.get(part, "")):
        yield Statement(part, "port", "a variable", int(port))
    for name, value in settings.items():
        if name not in ONLY_IN_KUBERNETES:
            yield Statement(part, f"setting {name}", "Kubernetes", value)


def _scraped(part: str, workload: Object) -> Iterator[Statement]:
    notes = workload["spec"]["template"]["metadata"].get("annotations", {})
    if port := notes.get("prometheus.io/port"):
        yield Statement(part, "port", "scraped", int(port))


def _around(part: str, every: list[Object]) -> Iterator[Statement]:
    for each in every:
        if each["kind"] == "NetworkPolicy" and identity(each)[1] == part:
            for rule in each["spec"].get("ingress", ()):
                for port in rule["ports"]:
                    yield Statement(part, "port", "NetworkPolicy", port["port"])
        if each["kind"] == "Service" and identity(each)[1] == part:
            for port in each["spec"]["ports"]:
                yield Statement(part, "port", "Service", port["port"])


def settings_of(container: Object, every: Iterable[Object]) -> dict[str, str]:
    """The variables of a container, those of the ConfigMaps that it names included.

    What comes from a Secret, or from the pod itself, is said so.
    """
    maps = {identity(each)[1]: each["data"] for each in every if each["kind"] == "ConfigMap"}
    found: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        found |= maps[source["configMapRef"]["name"]]
    for variable in container.get("env", ()):
        given = variable.get("valueFrom", {})
        found[variable["name"]] = variable.get("value") or (
            SECRET if "secretKeyRef" in given else given["fieldRef"]["fieldPath"]
        )
    return found


def _probed(part: str) -> str:
    """Which of a part's ports its probes ask: a worker has one for this alone."""
    return "health port" if part == "worker" else "port"


def _bare(part: str, command: Iterable[str]) -> tuple[str, ...]:
    """A command without what it has in containers alone."""
    words = tuple(command)
    extra = IN_CONTAINERS.get(part, ())
    for start in range(len(words)):
        if extra and words[start : start + len(extra)] == extra:
            return words[:start] + words[start + len(extra) :]
    return words


def _ports_of_command(part: str, command: list[str], where: str) -> Iterator[Statement]:
    for option, value in pairwise(command):
        if option == "--port":
            yield Statement(part, "port", where, int(value))


def image_settings(image: str) -> dict[str, str]:
    """The variables of ours and Prefect's that a Dockerfile gives to whatever runs in its image."""
    return dict(re.findall(r"\b((?:TRIPTYCH|PREFECT)_\w+)=(\S+)", image))


def _value(name: str, given: Any) -> str:
    """A setting's default in compose; of a secret, that it is one."""
    if _SECRET.fullmatch(name):
        return SECRET
    return re.sub(r"\$\{\w+:?-([^}]*)\}", r"\1", str(given))


def _path(url: str) -> str:
    return "/" + url.split("/", 3)[3]
