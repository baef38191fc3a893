"""Real model files through the whole chain: published, fetched by a device, and run there.

The models and photos are data for building this project, not a part of it.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.edge.device.samples import COCO_SSD, CONSTANT, DATA, YOLO, needs_data
from tests.threads import threads

pytestmark = [needs_data, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
# What two people would agree to see on each photo.
SSD_FINDS = {
    "grace_hopper.bmp": ["person", "tie"],
    "pets.jpg": ["dog", "dog"],
    "cat.bmp": ["cat"],
}
YOLO_FINDS = {  # photo: what must be among the finds
    "000000000072.jpg": {"giraffe"},
    "000000000078.jpg": {"clock"},
    "000000000315.jpg": {"umbrella"},
    "000000000431.jpg": {"person"},
    "000000000446.jpg": {"person"},
}


QUICK = ("--timing-s", "0.1", "--threads", "1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One home for all: the first run in a home takes long."""
    return tmp_path_factory.mktemp("chain")


def run(module, folder, *arguments, status=0):
    """A command as its user starts it, on an empty home."""
    process = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "TRIPTYCH_HOME": str(folder / "var"),
            **threads(),
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == status, process.stderr
    assert "Traceback" not in process.stdout + process.stderr
    return process.stdout + process.stderr


def publish(folder, name, model, labels, pictures, status=0):
    """Publish a ready file as it is; what the command said."""
    arguments = ("--name", name, "--model", model, "--labels", DATA / "labels" / labels)
    return run(
        "flows.publish_detector",
        folder,
        *(*arguments, "--golden", DATA / pictures, *QUICK),
        status=status,
    )


def finds(folder, name, photo):
    """The labels that a device's events have for one photo."""
    work = folder / name / photo.stem
    (work / "pictures").mkdir(parents=True)
    shutil.copy(photo, work / "pictures")
    home = ("--home", folder / f"device-{name}", "--name", name)
    run("edge_detector", folder, "update", *home, "--releases", folder / "var" / "releases")
    source = ("--source", work / "pictures", "--headless", "--events", work / "events.jsonl")
    run("edge_detector", folder, "run", *home, *source)
    (event,) = [json.loads(line) for line in (work / "events.jsonl").read_text().splitlines()]
    return [detection["label"] for detection in event["detections"]]


def test_coco_ssd_finds_on_the_device_what_is_on_the_photos(folder):
    """Published as it is; a person with a tie, two dogs, a cat."""
    publish(folder, "ssd", COCO_SSD, "coco_ssd_labelmap_nazmul.txt", "photos")

    for photo, expected in SSD_FINDS.items():
        assert sorted(finds(folder, "ssd", DATA / "photos" / photo)) == expected


def test_yolo_finds_on_the_device_what_is_on_the_photos(folder):
    """The raw answers of YOLOv8, read on the device."""
    publish(folder, "yolo", YOLO, "nxp_coco-labels-2014_2017.txt", "coco5")

    for photo, expected in YOLO_FINDS.items():
        assert expected <= set(finds(folder, "yolo", DATA / "coco5" / photo))


def test_model_that_answers_the_same_to_everything_gets_nowhere(folder):
    """Refused with the reason, and there is nothing that a device could fetch."""
    labels = "coco_ssd_labelmap_nazmul.txt"

    output = publish(folder, "constant", CONSTANT, labels, "photos", status=1)

    assert "it answers the same to every picture: 10 boxes at 0.50" in output
    assert not list((folder / "var").glob("releases/targets/constant*"))
