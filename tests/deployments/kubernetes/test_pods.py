"""The work pool whose runs have a pod each: its template, its worker, and its deployments."""

import json
import re
from typing import Any
from uuid import UUID

import pytest
import yaml
from prefect.client.schemas.objects import FlowRun
from prefect.flows import load_flow_from_entrypoint
from prefect.utilities.templating import apply_values

from tests.deployments.kubernetes.kustomize import BASE, KUBERNETES, ROOT, find, render
from tests.deployments.kubernetes.objects import rendered, run_job, values_of

PODS = KUBERNETES / "pods"
TEMPLATE = json.loads((PODS / "job-template.json").read_text())
DEPLOYMENTS = yaml.safe_load((PODS / "prefect.yaml").read_text())["deployments"]
OF_WORKER = yaml.safe_load((ROOT / "deployments" / "prefect.yaml").read_text())["deployments"]


def words_after(words: list[str], option: str) -> str:
    return words[words.index(option) + 1]


def test_pool_has_one_name_and_type():
    """For the script that makes it, the worker that serves it, and the deployments."""
    made = re.search(r"work-pool create (\w+) --type (\w+)", (PODS / "deploy").read_text())
    worker = find(render(BASE), "Deployment", "pods-worker")["spec"]["template"]["spec"]
    args = worker["containers"][0]["args"]
    assert made and made.groups() == (words_after(args, "--pool"), words_after(args, "--type"))
    assert {each["work_pool"]["name"] for each in DEPLOYMENTS} == {made[1]}
    assert (PODS / "deploy").stat().st_mode & 0o111


def test_each_variable_of_the_template_is_used_and_known():
    """One that is declared and not used would be filled in in vain."""
    used = set(re.findall(r"{{ (\w+) }}", json.dumps(TEMPLATE["job_configuration"])))
    assert used == TEMPLATE["variables"]["properties"].keys()
    required = set(TEMPLATE["variables"]["required"])
    for each in DEPLOYMENTS:
        assert each["work_pool"]["job_variables"].keys() == required
    given = {f"{{{{ $RUN_{name.upper()} }}}}" for name in required}
    assert set(DEPLOYMENTS[0]["work_pool"]["job_variables"].values()) == given
    pods = find(render(BASE), "Job", "deploy")["spec"]["template"]["spec"]["containers"][0]
    assert {f"RUN_{name.upper()}" for name in required} <= {each["name"] for each in pods["env"]}


def test_run_has_the_command_settings_and_volumes_of_the_worker():
    """A flow runs the same in either; the worker that insists on a container's name gets it."""
    run = run_job()["spec"]["template"]["spec"]
    (container,) = run["containers"]
    worker = find(list(rendered(BASE)), "Deployment", "worker")["spec"]["template"]["spec"]
    (of_worker,) = worker["containers"]
    assert container["name"] == "prefect-job"
    assert container["envFrom"] == of_worker["envFrom"]
    # The address and the password of Prefect are what the worker of the pool has itself.
    own = {"TRIPTYCH_METRICS_HOST", "TRIPTYCH_WORKER_METRICS_PORT", "PREFECT_API_AUTH_STRING"}
    named = {each["name"]: each for each in of_worker["env"] if each["name"] not in own}
    assert {each["name"]: each for each in container["env"]} == named
    assert container["volumeMounts"] == of_worker["volumeMounts"]
    assert run["volumes"][0] == worker["volumes"][0]
    (command,) = {each["work_pool"]["job_variables"]["command"] for each in OF_WORKER}
    assert " ".join(container["args"]) == command


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda each: each["name"])
def test_deployment_is_one_of_the_worker_with_another_pool(deployment, monkeypatch):
    """Its flow, tags and parameters; under a name of its own, as the UI shows names alone."""
    monkeypatch.chdir(ROOT)
    (twin,) = [each for each in OF_WORKER if f"{each['name']}-in-a-pod" == deployment["name"]]
    for field in ("entrypoint", "tags", "parameters"):
        assert deployment.get(field) == twin.get(field)
    assert "schedules" not in twin  # a night would be run twice
    load_flow_from_entrypoint(deployment["entrypoint"], use_placeholder_flow=False)


def test_prefects_worker_makes_a_job_of_the_template():
    """By the worker itself, where the extra kubernetes is installed."""
    worker: Any = pytest.importorskip("prefect_kubernetes.worker", reason="no prefect-kubernetes")
    made = worker.KubernetesWorkerJobConfiguration(
        **apply_values(TEMPLATE["job_configuration"], values_of(TEMPLATE))
    )
    made.prepare_for_flow_run(FlowRun(id=UUID(int=1), flow_id=UUID(int=2), name="a-run"))
    spec = made.job_manifest["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert container["args"] == run_job()["spec"]["template"]["spec"]["containers"][0]["args"]
    names = {each["name"] for each in container["env"]}
    assert {"PREFECT__FLOW_RUN_ID", "PGPASSWORD"} <= names
    assert made.job_manifest["spec"]["template"]["metadata"]["labels"]["part"] == "run"
