"""The camera that a device looks at repeats one picture; the device has to notice."""

from tasks.operations.rehearsal import process
from tasks.operations.rehearsal.errors import Broken
from tasks.operations.rehearsal.faults.camera import Camera
from tasks.operations.rehearsal.faults.device import Device
from tasks.operations.rehearsal.stage import Stage

PATIENCE_S = 60.0
DONE = "the stream that a device looks at repeats one picture"
_FROZEN, _BEGUN = "has not changed", "; Ctrl-C ends"


def rehearse(stage: Stage) -> str:
    """What survived. Raises: Broken; NothingToBreak: nothing is published."""
    device, camera = Device(stage), Camera()
    words = device.run_words(camera.address, stage.folder / "events.jsonl")
    with camera.serving(), process.started(words, stage.environment()) as run:
        run.until(lambda: _BEGUN in run.said(), "it looked at the stream", PATIENCE_S)
        opened = camera.connections
        camera.freeze()
        run.until(lambda: _FROZEN in run.said(), "it noticed the frozen picture", PATIENCE_S)
        told = next(line for line in run.said().splitlines() if _FROZEN in line)
        run.until(lambda: camera.connections > opened, "it opened the stream anew", PATIENCE_S)
        camera.thaw()
        before = len(run.said())
        run.until(lambda: "again" in run.said()[before:], "it was well again", PATIENCE_S)
    if "Traceback" in run.said():
        raise Broken("the device said more than it should")
    told = told.partition("stream: ")[2]
    return f"the device said that {told}; it opened the stream anew, and goes on"
