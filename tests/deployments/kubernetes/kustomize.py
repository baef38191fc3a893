"""Renders what deployments/kubernetes uses of kustomize, where kustomize itself may be missing.

Resources, strategic merge patches, namespace, images, replicas, and replacements of one field by
another. What else a kustomization may hold is refused: an overlay that is rendered is rendered as
kustomize does it, which a test compares where `kubectl` is there.
"""

import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
KUBERNETES = ROOT / "deployments" / "kubernetes"
BASE = KUBERNETES / "base"
SMALL, PRODUCTION = KUBERNETES / "overlays" / "small", KUBERNETES / "overlays" / "production"

Object = dict[str, Any]

_PARTS = ("namespace", "resources", "patches", "images", "replicas", "replacements")
# By which of their fields the members of a list are told apart; other lists are replaced.
_NAMED_BY = {
    **dict.fromkeys(("containers", "initContainers", "volumes", "env", "imagePullSecrets"), "name"),
    "volumeMounts": "mountPath",
    "ports": "containerPort",
}
_STEP = re.compile(r"\[(\w+)=([^\]]+)\]|([^.\[\]]+)")


class Unsupported(Exception):
    """A kustomization uses what this renders not."""


def render(folder: Path) -> list[Object]:
    """The objects of a kustomization, in order.

    Raises: Unsupported: it uses something else than is rendered here.
    """
    plan = yaml.safe_load((folder / "kustomization.yaml").read_text())
    if unknown := plan.keys() - {"apiVersion", "kind", *_PARTS}:
        raise Unsupported(f"{folder}: {', '.join(sorted(unknown))}")
    objects = [each for name in plan["resources"] for each in _resource(folder / name)]
    for patch in plan.get("patches", []):
        objects = _patched(objects, folder, patch)
    if "namespace" in plan:
        _put_into(objects, plan["namespace"])
    for replicas in plan.get("replicas", []):
        _scale(objects, replicas["name"], replicas["count"])
    for image in plan.get("images", []):
        _rename(objects, image)
    for replacement in plan.get("replacements", []):
        _replace(objects, replacement)
    return objects


def read_documents(file: Path) -> Iterator[Object]:
    """The objects in a file."""
    yield from (each for each in yaml.safe_load_all(file.read_text()) if each is not None)


def identity(each: Object) -> tuple[str, str]:
    """By which an object is told from the others of a namespace."""
    return each["kind"], each["metadata"]["name"]


def find(objects: list[Object], kind: str, name: str) -> Object:
    """The object of that kind and name, of which there is one."""
    (found,) = [each for each in objects if identity(each) == (kind, name)]
    return found


def pod_of(each: Object) -> Object | None:
    """The specification of the pods that an object makes; None: it makes none."""
    spec: Object | None = each.get("spec", {}).get("template", {}).get("spec")
    return spec


def containers_of(pod: Object) -> list[Object]:
    """All containers of a pod, those that come first included."""
    return [*pod.get("initContainers", []), *pod["containers"]]


def _resource(path: Path) -> list[Object]:
    return render(path) if path.is_dir() else list(read_documents(path))


def _patched(objects: list[Object], folder: Path, patch: dict[str, str]) -> list[Object]:
    if patch.keys() != {"path"}:
        raise Unsupported(f"{folder}: a patch by {', '.join(patch)}")
    change, *more = read_documents(folder / patch["path"])
    if more:
        raise Unsupported(
            f"{patch['path']}: more than one object, which kubectl before 1.31 refuses"
        )
    whole = find(objects, *identity(change))
    if change.get("$patch") == "delete":
        return [each for each in objects if each is not whole]
    _merge(whole, change)
    return objects


def _merge(whole: Object, change: Object) -> None:
    for key, value in change.items():
        if key.startswith("$"):
            raise Unsupported(f"a directive {key} inside an object")
        there = whole.get(key)
        if value is None:
            whole.pop(key, None)
        elif isinstance(value, dict) and isinstance(there, dict):
            _merge(there, value)
        elif isinstance(value, list) and isinstance(there, list) and key in _NAMED_BY:
            _merge_lists(there, value, _NAMED_BY[key])
        else:
            whole[key] = deepcopy(value)


def _merge_lists(whole: list[Object], change: list[Object], by: str) -> None:
    for member in change:
        there = next((each for each in whole if each[by] == member[by]), None)
        if there is None:
            whole.append(deepcopy(member))
        else:
            _merge(there, member)


def _put_into(objects: list[Object], namespace: str) -> None:
    accounts = {identity(each)[1] for each in objects if each["kind"] == "ServiceAccount"}
    for each in objects:
        each["metadata"]["namespace"] = namespace
        for subject in each.get("subjects", []):
            if subject["kind"] == "ServiceAccount" and subject["name"] in accounts:
                subject["namespace"] = namespace


def _scale(objects: list[Object], name: str, count: int) -> None:
    kinds = ("Deployment", "StatefulSet")
    (whole,) = [each for each in objects if each["kind"] in kinds and identity(each)[1] == name]
    whole["spec"]["replicas"] = count


def _rename(objects: list[Object], image: dict[str, str]) -> None:
    if unknown := image.keys() - {"name", "newName", "newTag"}:
        raise Unsupported(f"an image's {', '.join(unknown)}")
    for each in objects:
        pod = pod_of(each)
        for container in containers_of(pod) if pod else ():
            name, _, tag = container["image"].partition(":")
            if name == image["name"]:
                renamed = image.get("newName", name)
                container["image"] = f"{renamed}:{image.get('newTag', tag)}"


def _replace(objects: list[Object], replacement: Object) -> None:
    source = replacement["source"]
    holder, key = _place(find(objects, source["kind"], source["name"]), source["fieldPath"])
    for target in replacement["targets"]:
        if target.keys() != {"select", "fieldPaths"}:
            raise Unsupported(f"a replacement's {', '.join(target)}")
        selected = find(objects, target["select"]["kind"], target["select"]["name"])
        for path in target["fieldPaths"]:
            there, its_key = _place(selected, path)
            there[its_key] = holder[key]


def _place(whole: Object, path: str) -> tuple[Object, str]:
    """The mapping that holds a field, and the field's name: a.b.[name=c].d."""
    *steps, last = _STEP.finditer(path)
    there: Any = whole
    for step in steps:
        by, value, key = step.groups()
        there = there[key] if key else next(each for each in there if each[by] == value)
    return there, last[3]
