"""The objects of base and overlays: valid, as kustomize makes them, and fit for one another."""

import inspect
import json
import shutil
import subprocess

import kubernetes_validate
import pytest
import yaml
from circus.watcher import Watcher  # type: ignore[import-untyped]

from tasks.operations.doctor.variables import known_variables
from tests.deployments.kubernetes.described import settings_of
from tests.deployments.kubernetes.kustomize import (
    BASE,
    ROOT,
    Object,
    Unsupported,
    containers_of,
    find,
    identity,
    pod_of,
    render,
)
from tests.deployments.kubernetes.objects import FOLDERS, rendered

OLDEST = "1.30"  # a pause before a container ends (preStop.sleep) is on by default from there


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
def test_objects_are_valid_for_kubernetes(folder, version):
    """By its schemas, with no field that they do not know."""
    for each in rendered(folder):
        kubernetes_validate.validate(each, version, strict=True)


def test_field_that_kubernetes_does_not_know_is_refused():
    """The check above would see a misspelt field, at any depth."""
    wrong = json.loads(json.dumps(find(list(rendered(BASE)), "Deployment", "fraud")))
    wrong["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, OLDEST, strict=True)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_overlays_are_rendered_as_kubectl_renders_them(folder):
    """Object by object: what is tested here is what `kubectl apply -k` sends."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("no kubectl here")
    said = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    theirs = {identity(each): each for each in yaml.safe_load_all(said.stdout)}
    assert {identity(each): each for each in render(folder)} == theirs


@pytest.mark.parametrize(
    "more",
    [
        "namePrefix: my-",
        "patches: [{target: {kind: Service}, patch: x}]",
        "images: [{name: triptych, digest: sha256:0}]",
    ],
)
def test_what_is_not_rendered_truthfully_is_not_rendered(tmp_path, more):
    """An overlay with something else needs more of the renderer first."""
    (tmp_path / "kustomization.yaml").write_text(f"resources: []\n{more}\n")
    with pytest.raises(Unsupported):
        render(tmp_path)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_settings_are_read_by_something(folder):
    """A misspelt one would be set in vain."""
    for each in rendered(folder):
        pod = pod_of(each)
        for container in containers_of(pod) if pod else ():
            given = settings_of(container, rendered(folder))
            own = {name for name in given if name.startswith("TRIPTYCH_")}
            assert own <= set(known_variables())


def asked_for(pod: Object) -> set[tuple[str, str]]:
    """The objects that pods need to be there."""
    found = (
        {("ServiceAccount", pod["serviceAccountName"])} if "serviceAccountName" in pod else set()
    )
    for volume in pod.get("volumes", ()):
        if claim := volume.get("persistentVolumeClaim"):
            found.add(("PersistentVolumeClaim", claim["claimName"]))
        if source := volume.get("configMap"):
            found.add(("ConfigMap", source["name"]))
    for container in containers_of(pod):
        for source in container.get("envFrom", ()):
            found.add(("ConfigMap", source["configMapRef"]["name"]))
    return found


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_what_pods_need_is_there(folder):
    """ConfigMaps, volumes and accounts; and the role of the one that has rights."""
    there = set(map(identity, rendered(folder)))
    for each in rendered(folder):
        if pod := pod_of(each):
            assert asked_for(pod) <= there, identity(each)
        if each["kind"] == "RoleBinding":
            assert ("Role", each["roleRef"]["name"]) in there
            assert {("ServiceAccount", who["name"]) for who in each["subjects"]} <= there


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_doors_lead_to_pods_that_listen(folder):
    """A Service selects pods that have its port; an Ingress, a Service, with a certificate."""
    ports = {
        tuple(each["spec"]["template"]["metadata"]["labels"].items()): {
            port["name"] for box in containers_of(pod) for port in box.get("ports", ())
        }
        for each in rendered(folder)
        if (pod := pod_of(each))
    }
    doors = {}
    for each in rendered(folder):
        if each["kind"] == "Service":
            selected = ports[tuple(each["spec"]["selector"].items())]
            assert {port["targetPort"] for port in each["spec"]["ports"]} <= selected
            doors[identity(each)[1]] = {port["name"] for port in each["spec"]["ports"]}
    assert {"prefect", "fraud", "releases"} <= doors.keys()
    for each in rendered(folder):
        if each["kind"] == "Ingress":
            secured = {host for entry in each["spec"]["tls"] for host in entry["hosts"]}
            for rule in each["spec"]["rules"]:
                (path,) = rule["http"]["paths"]
                service = path["backend"]["service"]
                assert rule["host"] in secured
                assert service["port"]["name"] in doors[service["name"]]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_fraud_service_loses_no_request_while_it_is_replaced(folder):
    """A new replica is ready before an old one ends, which answers until it is forgotten."""
    fraud = find(list(rendered(folder)), "Deployment", "fraud")["spec"]
    assert fraud["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    pod = fraud["template"]["spec"]
    (container,) = pod["containers"]
    pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    asked_every = container["readinessProbe"]["periodSeconds"]
    drain = inspect.signature(Watcher.__init__).parameters["graceful_timeout"].default
    assert pause >= asked_every and pod["terminationGracePeriodSeconds"] > pause + drain
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["fraud"]
    assert int(compose["stop_grace_period"].removesuffix("s")) > drain
    assert {each["topologyKey"] for each in pod["topologySpreadConstraints"]} == {
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
    }
    budget = find(list(rendered(folder)), "PodDisruptionBudget", "fraud")["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"] == fraud["selector"]


def test_there_are_always_two_replicas_of_the_fraud_service():
    """By the autoscaler, or by a number where there is none; never by both."""
    for folder in FOLDERS:
        objects = list(rendered(folder))
        replicas = find(objects, "Deployment", "fraud")["spec"].get("replicas")
        scalers = [each for each in objects if each["kind"] == "HorizontalPodAutoscaler"]
        if scalers:
            (scaler,) = scalers
            assert replicas is None and scaler["spec"]["minReplicas"] >= 2
            assert scaler["spec"]["scaleTargetRef"]["name"] == "fraud"
        else:
            assert replicas == 2
