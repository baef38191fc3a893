"""A device whose processes can be killed: each task is a process of its own, forked from this one.

Run as a program, it reads tasks from standard input and answers each in one line, both in JSON.
A forked process starts in a millisecond, as everything is imported already.

A power cut is harder than a kill: what was written and not yet brought to the disk is lost. So
before it dies, the process empties each file of the home that it has not synced since its last
write.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from edge_detector.contract.limits import Limits
from edge_detector.slots.slots import Slots
from edge_detector.updates.updates import Updates

Task = dict[str, Any]


class Disk:
    """Knows which files have been brought to the disk.

    They are not, really: only the process dies here, and a busy disk would hold it up.
    """

    def __init__(self) -> None:
        self._began_ns = time.time_ns()
        self._synced: dict[int, tuple[int, int]] = {}
        os.fsync = self._sync  # type: ignore[assignment]

    def lose_the_rest(self, home: Path) -> None:
        for path in home.rglob("*"):
            stat = path.lstat()
            written = path.is_file() and not path.is_symlink() and stat.st_mtime_ns > self._began_ns
            if written and self._synced.get(stat.st_ino) != (stat.st_mtime_ns, stat.st_size):
                os.truncate(path, 0)

    def _sync(self, handle: int) -> None:
        stat = os.fstat(handle)
        self._synced[stat.st_ino] = (stat.st_mtime_ns, stat.st_size)


def update(task: Task) -> Any:
    """Update, and die at the step of that number, if one is given. Returns the steps' names."""
    home, steps, disk = Path(task["home"]), [], Disk()

    def step(name: str) -> None:
        steps.append(name)
        if len(steps) - 1 == task.get("die_at"):
            if task.get("power_cut"):
                disk.lose_the_rest(home)
            os.kill(os.getpid(), signal.SIGKILL)

    updates = Updates(
        task["releases"],
        home,
        limits=Limits(spare_bytes=0),
        slots=slots_of(task, step),
        self_test=lambda _slot: step("self-test"),
        step=step,
    )
    updates.update(running=task.get("running", False))
    return steps


def start(task: Task) -> Any:
    """Begin a run and end it, after a good minute if `commit` is given.

    Returns version and content of the model that it would run.
    """
    slots = slots_of(task)
    slot = slots.begin_run()
    slots.begin_probation()
    if task.get("commit"):
        slots.commit()
    slots.end_run()
    return slot and [slot.manifest.version, slot.model_path.read_text()]


def slots_of(task: Task, *step: Any) -> Slots:
    boot = task.get("boot", "boot 1")
    return Slots(Path(task["home"]), boot=lambda: boot, **({"step": step[0]} if step else {}))


def perform(task: Task) -> Any:
    """Do a task in a process of its own. Returns its result, or None if it was killed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            result: Any = {"update": update, "start": start}[task["do"]](task)
        except BaseException as error:
            result = {"error": repr(error)}
        os.write(writer, json.dumps(result).encode())
        os._exit(0)
    os.close(writer)
    if task.get("die_after_s") is not None:
        time.sleep(task["die_after_s"])
        os.kill(child, signal.SIGKILL)
    with os.fdopen(reader, "rb") as pipe:
        content = pipe.read()
    _, status = os.waitpid(child, 0)
    return {"killed": os.WIFSIGNALED(status), "result": json.loads(content) if content else None}


if __name__ == "__main__":
    os.fsync = lambda _handle: None  # type: ignore[assignment]  # as in `Disk`
    for line in sys.stdin:
        print(json.dumps(perform(json.loads(line))), flush=True)
