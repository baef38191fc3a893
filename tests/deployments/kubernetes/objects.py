"""All objects that the tests look at: those of base and overlays, and the job of a run in a pod."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from prefect.utilities.templating import apply_values

from tests.deployments.kubernetes.kustomize import (
    BASE,
    KUBERNETES,
    PRODUCTION,
    SMALL,
    Object,
    identity,
    pod_of,
    render,
)

FOLDERS = (BASE, SMALL, PRODUCTION)


@cache
def rendered(folder: Path) -> tuple[Object, ...]:
    """The objects of a kustomization, and the job that a run in a pod is."""
    return (*render(folder), run_job())


@cache
def run_job() -> Object:
    """What the worker of the pool `pods` makes of its template, without what it adds itself."""
    template = json.loads((KUBERNETES / "pods" / "job-template.json").read_text())
    job: Object = apply_values(template["job_configuration"]["job_manifest"], values_of(template))
    (container,) = job["spec"]["template"]["spec"]["containers"]
    container["args"] = container["args"].split()  # as the worker does
    job["metadata"]["name"] = "run"
    for misplaced in ("parallelism", "completions"):  # which the worker insists on
        assert job["spec"]["template"]["spec"].pop(misplaced) == 1
    return job


def values_of(template: Object) -> Object:
    """What a template's variables are for a run: their defaults, and what a deployment gives."""
    known = template["variables"]["properties"]
    defaults = {name: known[name]["default"] for name in known if "default" in known[name]}
    return {**defaults, "name": "a-run", "namespace": "triptych", "image": "triptych:0.1.0"}


def pods() -> Iterator[Any]:
    """Each pod of the overlays, once for each overlay."""
    for folder in FOLDERS:
        for each in rendered(folder):
            if pod := pod_of(each):
                yield pytest.param(folder, each, pod, id=f"{folder.name}-{identity(each)[1]}")
