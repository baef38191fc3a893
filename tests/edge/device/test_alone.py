"""The package by itself, in environments that hold nothing else of the project."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType

import cv2
import pytest

from edge.release.repository.publication import Release
from tests.edge.device.installed import paint_frame, tiny_release
from tests.edge.releases import make_repository

pytestmark = pytest.mark.slow

PACKAGE = Path(__file__).parents[3] / "edge" / "device"
MOST_MEMORY_BYTES = 250e6
FOREIGN = ("prefect", "tensorflow", "keras", "bentoml", "pydantic", "sqlalchemy", "torch", "pandas")
MEASURED = """
import resource, subprocess, sys
ended = subprocess.run([sys.executable, "-m", "edge_detector", *sys.argv[1:]]).returncode
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print("peak", peak * (1 if sys.platform == "darwin" else 1024))
sys.exit(ended)
"""
EVERYTHING = """
import importlib, pkgutil, sys
import edge_detector
for module in pkgutil.walk_packages(edge_detector.__path__, "edge_detector."):
    if not module.name.endswith(".__main__"):
        importlib.import_module(module.name)
print(*sorted(sys.modules))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The package as it is given to others, built once."""
    folder = tmp_path_factory.mktemp("wheel")
    left_out = shutil.ignore_patterns("build", "*.egg-info", "__pycache__", ".*")
    package = shutil.copytree(PACKAGE, folder / "package", ignore=left_out)  # pip builds in there
    pip(folder, "wheel", "--no-deps", "--wheel-dir", folder, package)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module", params=["litert", "tflite"])
def python(request, wheel, tmp_path_factory):
    """A Python with the package, one runtime, and what these two ask for: nothing else, no pip."""
    if request.param == "tflite" and sys.version_info >= (3, 12):
        pytest.skip("tflite-runtime has no package for this Python")
    folder = tmp_path_factory.mktemp(request.param)
    program = folder / "environment" / "bin" / "python"
    run([sys.executable, "-m", "venv", "--without-pip", folder / "environment"], folder)
    pip(folder, "--python", program, "install", "--no-compile", f"{wheel}[{request.param}]")
    return program


def pip(folder, *arguments):
    """Run our own pip, with its user's configuration and cache."""
    home = {"HOME": str(Path.home())}
    run([sys.executable, "-m", "pip", "-q", *arguments], folder, environment=home)


def run(command, folder, *, timeout_s=300, environment=MappingProxyType({})):
    """A command in an environment without variables of ours; what it printed."""
    kept = {key: value for key, value in os.environ.items() if key.startswith("PIP_")}
    process = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **kept, **environment},
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_package_runs_a_published_model_and_stays_small(python, tmp_path):
    """From the repository to detections, with nothing of the publisher's side installed."""
    manifest, files = tiny_release("1.0.0")
    make_repository(tmp_path).publish(Release(manifest, files), "stable")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(10):
        frame = cv2.resize(paint_frame(number), (640, 480), interpolation=cv2.INTER_NEAREST)
        cv2.imwrite(str(pictures / f"{number}.png"), frame)
    command = [python, "-c", MEASURED, "run", "--headless", "--home", tmp_path / "home"]
    command += ["--releases", tmp_path / "releases", "--update-every", "0"]
    command += ["--source", pictures, "--events", tmp_path / "events.jsonl"]

    output = run(command, tmp_path)

    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert events and all(event["detections"] for event in events)
    assert {event["model"] for event in events} == {"tiny 1.0.0"}
    assert "10 frames" in output
    assert "1.0.0" in run(
        [python, "-m", "edge_detector", "status", "--home", tmp_path / "home"], tmp_path
    )
    assert int(output.split()[-1]) <= MOST_MEMORY_BYTES


def test_package_imports_nothing_of_the_other_panels(python, tmp_path):
    """Every module of it, in a fresh interpreter."""
    loaded = run([python, "-c", EVERYTHING], tmp_path).split()

    assert "edge_detector.updates.updates" in loaded
    assert not {name.partition(".")[0] for name in loaded} & set(FOREIGN)


def test_package_imports_nothing_of_the_other_panels_where_they_are_installed(tmp_path):
    """Beside Prefect and TensorFlow it leaves them alone."""
    loaded = run([sys.executable, "-c", EVERYTHING], tmp_path).split()

    assert "edge_detector.updates.updates" in loaded
    assert not {name.partition(".")[0] for name in loaded} & {*FOREIGN, "edge", "tasks", "flows"}
