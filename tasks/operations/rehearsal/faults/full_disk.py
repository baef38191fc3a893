"""The disk fills up in the middle of a night, and has room again for the next run.

A small disk of our own (tmpfs) where we may mount one; else no file of the run may grow any more.
"""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tasks.operations.rehearsal import process
from tasks.operations.rehearsal.errors import Broken, NothingToBreak
from tasks.operations.rehearsal.faults.night import ROWS, Night, make_night
from tasks.operations.rehearsal.process import Process
from tasks.operations.rehearsal.stage import Stage

SIZE_BYTES = 64 << 20
DONE = "a disk of its own is filled to the last byte while rows are loaded"
_CHUNK = 1 << 20


def rehearse(stage: Stage) -> str:
    """What survived. Raises: Broken."""
    disk = stage.folder / "disk"
    disk.mkdir()
    with _small_disk(disk) as is_mounted:
        night = make_night(disk / "home", stage.folder, "rehearsal-full")
        fill = _fill if is_mounted else _forbid_to_grow
        said = _break(stage, night, lambda run: fill(run, disk))
        if is_mounted and "make room" not in said:
            raise Broken(f"the run did not say what would help: {said}")
        (disk / "filler").unlink(missing_ok=True)
        if (loaded := night.rows()) >= ROWS:
            raise Broken("the run was over before the disk was full; nothing was rehearsed")
        status, again = process.done(night.words, stage.environment(night.home))
        if status:
            raise Broken(f"the next run failed: {again.last_line()}")
        night.check()
    what = "the run asked for room" if is_mounted else "no right to mount: no file could grow"
    return f"{what}; nothing half written; the next run ended the night from row {loaded} on"


def _break(stage: Stage, night: Night, fill: Callable[[Process], None]) -> str:
    """What the run said when there was no room any more."""
    with process.started(night.words, stage.environment(night.home)) as run:
        run.until(lambda: night.rows() > 0, "its first rows were in SQL")
        fill(run)
        if run.wait() == 0:
            raise Broken("the run ended although there was no room; nothing was rehearsed")
        said = run.last_line()
    if left := night.leftovers():
        raise Broken(f"half-written files stay: {', '.join(left[:3])}")
    if "Traceback" in run.said() or str(night.home) not in said:
        raise Broken(f"the run did not say in a line what was wrong: {said}")
    return said


@contextmanager
def _small_disk(folder: Path) -> Iterator[bool]:
    """Whether a disk of its own is mounted there."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_BYTES}", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def _fill(run: Process, disk: Path) -> None:
    """To the last byte, and again what becomes free meanwhile."""
    with (disk / "filler").open("ab", buffering=0) as filler:

        def is_over() -> bool:
            with suppress(OSError):
                while filler.write(bytes(_CHUNK)):
                    pass
            with suppress(OSError):
                while filler.write(bytes(512)):
                    pass
            return run.status is not None

        with suppress(Broken):  # it ended: that is waited for
            run.until(is_over, "it ended")


def _forbid_to_grow(run: Process, disk: Path) -> None:
    try:
        from resource import RLIMIT_FSIZE, prlimit
    except ImportError:
        raise NothingToBreak("this needs Linux, or the right to mount a disk") from None
    _, hard = prlimit(run.pid, RLIMIT_FSIZE)
    prlimit(run.pid, RLIMIT_FSIZE, (1, hard))
