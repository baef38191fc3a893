"""No pod is root, writes into its image, holds a secret, or talks to more than it has to."""

import re
from pathlib import Path

import pytest

from tasks.operations.doctor.variables import secret_variables
from tests.deployments.kubernetes.described import SECRET, settings_of
from tests.deployments.kubernetes.kustomize import (
    BASE,
    KUBERNETES,
    ROOT,
    Object,
    containers_of,
    find,
    identity,
    pod_of,
)
from tests.deployments.kubernetes.objects import FOLDERS, pods, rendered

USER = 10001
REFERENCE = ROOT / "deployments" / "REFERENCE.md"


@pytest.mark.parametrize(("folder", "workload", "pod"), list(pods()))
def test_pod_runs_as_an_ordinary_user_on_a_read_only_file_system(folder, workload, pod):
    """With no right beyond those of its user, and no word to Kubernetes but for one."""
    security = pod["securityContext"]
    assert security["runAsNonRoot"] is True and security["runAsUser"] > 0
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is (identity(workload)[1] == "pods-worker")
    assert pod["enableServiceLinks"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert {"emptyDir", "persistentVolumeClaim", "configMap"} >= {
        kind for volume in pod.get("volumes", ()) for kind in volume.keys() - {"name"}
    }
    for container in containers_of(pod):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize(("folder", "workload", "pod"), list(pods()))
def test_image_is_of_a_version(folder, workload, pod):
    """The project's own of the version in pyproject.toml; none is `latest`."""
    own = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.M)
    assert own
    for container in containers_of(pod):
        name, _, tag = container["image"].rpartition(":")
        assert name and tag not in ("", "latest")
        assert (
            "command" not in container
        )  # it would go past the image's own, deployments/with-secrets
        if name.endswith("triptych"):
            assert tag == own[1]


def test_pods_are_of_the_user_of_the_image():
    """And so is the group of their volumes."""
    dockerfile = (ROOT / "deployments" / "Dockerfile").read_text()
    assert re.findall(r"^USER (\S+)$", dockerfile, re.M) == [str(USER)]
    for each in rendered(BASE):
        if pod := pod_of(each):
            assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["fsGroup"] == USER


@pytest.mark.parametrize(("folder", "workload", "pod"), list(pods()))
def test_what_is_written_lies_on_volumes(folder, workload, pod):
    """The homes of the project, of Prefect, of libraries and of the database, and /tmp."""
    for container in pod["containers"]:
        mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
        assert "/tmp" in mounts
        settings = settings_of(container, rendered(folder))
        homes = [settings[name] for name in ("HOME", "PREFECT_HOME") if name in settings]
        assert all(Path(home).is_relative_to("/tmp") for home in homes)
        if settings.get("PGPASSWORD") and container["name"] not in ("prefect", "migrate"):
            assert settings["TRIPTYCH_HOME"] in mounts
        if container["name"] == "prefect":
            assert f"{settings['TRIPTYCH_HOME']}/prefect" in mounts
        if container["name"] == "releases":
            assert f"{settings['TRIPTYCH_HOME']}/telemetry" in mounts


@pytest.mark.parametrize(("folder", "workload", "pod"), list(pods()))
def test_secrets_are_named_and_never_held(folder, workload, pod):
    """Each comes from a key of the Secret that the reference lists, and from nowhere else."""
    listed = set(re.findall(r"^\| `([a-z0-9-]+)` \|", REFERENCE.read_text(), re.M))
    others = re.compile(r".*(PASSWORD|STRING|(?<!SECRET)_KEYS?|_KEY_ID)")
    ours = {name for name in secret_variables() if not name.endswith("_URL")}  # see below
    for container in containers_of(pod):
        for variable in container.get("env", ()):
            if variable["name"] in ours or others.fullmatch(variable["name"]):
                reference = variable["valueFrom"]["secretKeyRef"]
                assert reference["name"] == "triptych" and reference["key"] in listed
        assert not any("secretRef" in source for source in container.get("envFrom", ()))
        for name, value in settings_of(container, rendered(folder)).items():
            if value != SECRET:
                assert not re.search("//[^/@]*:[^/@]*@", value), name  # a password in an address


def test_no_secret_is_in_the_repository():
    """Neither as an object, nor generated from values that stand here."""
    for file in KUBERNETES.rglob("*.yaml"):
        assert not re.search(r"^kind: Secret$|secretGenerator|stringData", file.read_text(), re.M)


def parts_of(selector: Object, parts: set[str]) -> set[str]:
    """Which parts a selector of pods selects."""
    found = {
        part for part in parts if selector.get("matchLabels", {"part": part}) == {"part": part}
    }
    for expression in selector.get("matchExpressions", ()):
        assert expression["key"] == "part"
        chosen = set(expression["values"])
        found &= chosen if expression["operator"] == "In" else parts - chosen
    return found


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_nobody_talks_to_anybody_but_for_what_is_needed(folder):
    """All is denied first; who serves is asked by those who need it, and who asks may."""
    policies = [each["spec"] for each in rendered(folder) if each["kind"] == "NetworkPolicy"]
    assert {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]} in policies
    parts = {
        each["spec"]["template"]["metadata"]["labels"]["part"]
        for each in rendered(folder)
        if pod_of(each)
    }
    allowed: dict[str, set[int]] = {part: set() for part in parts}
    open_to: dict[str, set[str]] = {part: set() for part in parts}
    for policy in policies:
        for part in parts_of(policy["podSelector"], parts):
            for rule in policy.get("egress", ()):
                allowed[part] |= {port["port"] for port in rule["ports"]}
            for rule in policy.get("ingress", ()):
                for who in rule["from"]:
                    label = who.get("namespaceSelector", {}).get("matchLabels", {})
                    open_to[part] |= set(label) or parts_of(who["podSelector"], parts)
    clients = {"deploy", "worker", "pods-worker", "run", "watch"}  # of Prefect
    with_database = {"prefect", "migrate", "worker", "run", "watch", "fraud"}
    assert {part for part in parts if 4200 in allowed[part]} == clients
    assert {part for part in parts if 5432 in allowed[part]} == with_database
    assert {part for part in parts if 443 in allowed[part]} == {
        "worker",
        "run",
        "watch",
        "pods-worker",
    }
    assert allowed["releases"] == set() and allowed["fraud"] == {53, 5432}
    outside = {"triptych-client", "triptych-monitoring"}
    assert open_to["prefect"] == clients | outside
    assert open_to["fraud"] == open_to["releases"] == outside
    assert open_to["worker"] == open_to["watch"] == {"triptych-monitoring"}
    assert all(not open_to[part] for part in ("run", "pods-worker", "deploy", "migrate"))


def test_worker_of_pods_may_make_jobs_and_look_at_their_pods():
    """And nothing else: no secrets, no other namespace."""
    role = find(list(rendered(BASE)), "Role", "pods-worker")
    rights = {
        (resource, verb)
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    looks = {"get", "list", "watch"}
    assert rights == {
        *(("jobs", verb) for verb in looks | {"create", "delete"}),
        *(("pods", verb) for verb in looks),
        ("pods/log", "get"),
    }
    assert not any(each["kind"].startswith("Cluster") for each in rendered(BASE))
