"""Real model files through the whole chain: published, fetched by a device, and run there.

The models and photos are data for building this project, not a part of it. The publisher is run in
this process, the device as its two commands, once for all photos of a model.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.edge.device.samples import COCO_SSD, CONSTANT, DATA, YOLO, needs_data
from tests.flows.conftest import RunHere
from tests.threads import threads

pytestmark = [needs_data, pytest.mark.slow]
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


@pytest.fixture
def publish(run_here: RunHere, tmp_path: Path):
    """Publishes a ready file as it is; the command's status and what it said."""

    def run(name: str, model: Path, labels: str, pictures: str) -> tuple[int, str]:
        arguments = ["--name", name, "--model", str(model), "--golden", str(DATA / pictures)]
        arguments += ["--labels", str(DATA / "labels" / labels), *QUICK]
        status, output, errors = run_here("publish_detector", tmp_path / "var", *arguments)
        assert "Traceback" not in output + errors
        return status, output + errors

    return run


def device(folder: Path, *arguments: object) -> None:
    """The device's command as its user starts it, in a bare environment."""
    process = subprocess.run(
        [sys.executable, "-m", "edge_detector", *map(str, arguments)],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **threads()},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr
    assert "Traceback" not in process.stdout + process.stderr


def finds(folder: Path, name: str, photos: list[Path]) -> dict[str, list[str]]:
    """The labels that a device's events have for each photo."""
    (folder / "pictures").mkdir()
    for photo in photos:
        shutil.copy(photo, folder / "pictures")
    home = ("--home", folder / "device", "--name", name)
    device(folder, "update", *home, "--releases", folder / "var" / "releases")
    source = ("--source", folder / "pictures", "--headless", "--events", folder / "events.jsonl")
    device(folder, "run", *home, *source)
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert len(events) == len(photos)
    return {event["file"]: [found["label"] for found in event["detections"]] for event in events}


def test_coco_ssd_finds_on_the_device_what_is_on_the_photos(publish, tmp_path):
    """Published as it is; a person with a tie, two dogs, a cat."""
    status, said = publish("ssd", COCO_SSD, "coco_ssd_labelmap_nazmul.txt", "photos")
    assert status == 0, said

    found = finds(tmp_path, "ssd", [DATA / "photos" / photo for photo in SSD_FINDS])

    assert {photo: sorted(labels) for photo, labels in found.items()} == SSD_FINDS


def test_yolo_finds_on_the_device_what_is_on_the_photos(publish, tmp_path):
    """The raw answers of YOLOv8, read on the device."""
    status, said = publish("yolo", YOLO, "nxp_coco-labels-2014_2017.txt", "coco5")
    assert status == 0, said

    found = finds(tmp_path, "yolo", [DATA / "coco5" / photo for photo in YOLO_FINDS])

    assert all(expected <= set(found[photo]) for photo, expected in YOLO_FINDS.items())


def test_model_that_answers_the_same_to_everything_gets_nowhere(publish, tmp_path):
    """Refused with the reason, and there is nothing that a device could fetch."""
    labels = "coco_ssd_labelmap_nazmul.txt"

    status, said = publish("constant", CONSTANT, labels, "photos")

    assert status == 1
    assert "it answers the same to every picture: 10 boxes at 0.50" in said
    assert not list((tmp_path / "var").glob("releases/targets/constant*"))
