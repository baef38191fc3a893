"""The supervisor: order, what becomes of parts that die, and that nothing is left."""

import errno
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil
import pytest

from tasks.operations.stack import log_file, processes, supervisor
from tasks.operations.stack.errors import StackError
from tasks.operations.stack.part import Part
from tasks.operations.stack.start import print_line
from tasks.operations.stack.supervisor import Supervisor

ROOT = Path(__file__).parents[4]
LONG = "exec sleep 600"
ROUNDS = 12_000  # of a loop that looks a hundred times a second: two minutes


@dataclass
class World:
    """A folder for the parts, and what was told."""

    folder: Path
    told: list[str] = field(default_factory=list)
    pids: list[int] = field(default_factory=list)
    rounds: int = 0

    def stack(self, *parts: Part) -> Supervisor:
        return Supervisor(
            parts, dict(os.environ), self.folder, self.folder, self.told.append, self.pids.append
        )

    def run(self, stack: Supervisor, until: Callable[[], bool] = lambda: False) -> int:
        """Hold the stack until all are ready and more has come; how often that was told."""
        ready: list[bool] = []

        def is_stopping() -> bool:
            self.rounds += 1
            assert self.rounds < ROUNDS, self.told
            return bool(ready) and (until is World.at_once or until())

        stack.run(is_stopping, lambda: ready.append(True))
        return len(ready)

    @staticmethod
    def at_once() -> bool:
        return True


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(supervisor, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(supervisor, "ASK_EVERY_S", 0.0)
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(processes, "LAST_S", 0.5)
    monkeypatch.setattr(processes, "KILLED_S", 120.0)
    made = World(tmp_path)
    yield made
    for pid in made.pids:
        processes.end([pid], is_urgent=lambda: True)


def has_ended(process: psutil.Process) -> bool:
    """Whether it has, also where nobody has taken notice of it yet."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def session(process: psutil.Process) -> int:
    try:
        return os.getsid(process.pid)
    except OSError:
        return -1


def told(world: World, text: str) -> list[str]:
    return [line for line in world.told if text in line]


def test_parts_are_started_when_what_they_need_is_ready(world):
    """A step before what leans on it, and the readiness of a process is what its probe says."""
    marks = world.folder / "marks"
    stack = world.stack(
        Part("last", f"cat first step > {marks}; {LONG}", ("first", "step"), marks.exists),
        Part("first", f"echo a > first; {LONG}", is_ready=(world.folder / "first").exists),
        Part("step", "echo b > step", ("first",), once=True, purpose="it is made"),
    )
    try:
        assert world.run(stack, World.at_once) == 1
    finally:
        stack.end()
    assert marks.read_text() == "a\nb\n"
    assert [line.partition("] ")[2] for line in world.told] == [
        "first is ready",
        "step: it is made",
        "step is done",
        "last is ready",
    ]


def test_part_that_dies_is_told_with_its_log_and_started_again(world):
    """One line; what it has left behind is gone before."""
    count = world.folder / "count"
    command = f"echo x >> {count}; [ $(wc -l < {count}) -gt 2 ] && {LONG}; (sleep 600 &); exit 3"
    stack = world.stack(Part("frail", command))
    try:
        world.run(stack, lambda: count.exists() and count.read_text().count("x") == 3)
        alive = psutil.Process(world.pids[-1])
        assert alive.is_running()
        for pid in world.pids[:-1]:
            assert all(has_ended(each) for each in psutil.process_iter() if session(each) == pid)
    finally:
        stack.end()
    lines = told(world, "frail ended with status 3")
    assert len(lines) == 2
    assert str(world.folder / "frail.log") in lines[0] and "started again" in lines[0]


def test_part_that_dies_again_and_again_ends_the_stack(world):
    """With the line that says which, and where its log is."""
    stack = world.stack(Part("calm", LONG), Part("frail", "kill -KILL $$"))
    try:
        with pytest.raises(StackError, match=r"frail was killed by signal 9; its log is .*5 times"):
            world.run(stack)
    finally:
        stack.end()
    assert len(told(world, "it is started again")) == supervisor.MOST_DEATHS - 1


def test_part_that_is_not_vital_is_left_out(world):
    """The others go on without it."""
    stack = world.stack(Part("calm", LONG), Part("guest", "exit 1", vital=False))
    stack_ready = world.run(stack, lambda: bool(stack.left_out))
    stack.end()
    assert stack_ready == 1 and stack.left_out == ["guest"]
    assert len(told(world, "is left out")) == 1


def test_log_that_cannot_be_cut_is_told_once_and_ends_nothing(world, monkeypatch):
    """The disk is full; once there is room, it is cut."""
    is_full, looks = [True], []

    def copy(source: Path, target: Path) -> None:
        looks.append(source)
        target.write_bytes(source.read_bytes()[:10])
        if is_full[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))

    monkeypatch.setattr(log_file, "limit", partial(log_file.limit, most_bytes=100))
    monkeypatch.setattr(shutil, "copyfile", copy)
    log, before = world.folder / "loud.log", world.folder / "loud.1.log"
    before.write_text("what was before")
    stack = world.stack(Part("loud", f"seq 1000; {LONG}"))
    try:
        world.run(stack, lambda: len(looks) >= 5)
        assert len(told(world, "loud.log cannot be cut, and grows: No space left on device")) == 1
        assert log.stat().st_size > 1000 and before.read_text() == "what was before"
        is_full[0] = False
        world.run(stack, lambda: log.stat().st_size == 0)
    finally:
        stack.end()
    assert before.read_text() == "1\n2\n3\n4\n5\n"
    assert sorted(world.folder.glob("loud*")) == [before, log]


def test_part_whose_log_cannot_be_opened_is_started_all_the_same(world):
    (world.folder / "quiet.log").mkdir()
    stack = world.stack(Part("quiet", f"echo said; {LONG}"))
    assert world.run(stack, World.at_once) == 1
    assert stack.left_out == [] and psutil.Process(world.pids[0]).is_running()
    stack.end()
    assert len(told(world, "quiet.log cannot be written: Is a directory")) == 1


def test_line_that_finds_no_room_ends_nothing(monkeypatch):
    """Standard output is a file on a full disk."""

    class Full(io.StringIO):
        def flush(self) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sys, "stdout", Full())
    print_line("it goes on")


def test_part_that_is_never_ready_keeps_nobody_from_the_others(world, monkeypatch):
    """It is told with its log, and the addresses are shown."""
    monkeypatch.setattr(supervisor, "PATIENCE_S", 0.0)
    stack = world.stack(Part("mute", LONG, is_ready=lambda: False))
    assert world.run(stack, World.at_once) == 1
    stack.end()
    (line,) = told(world, "mute has given no answer")
    assert str(world.folder / "mute.log") in line


def test_step_that_fails_ends_the_stack_with_what_it_said(world):
    """Nothing that leans on it is started."""
    stack = world.stack(
        Part("step", "echo no room >&2; exit 1", once=True), Part("next", LONG, ("step",))
    )
    with pytest.raises(StackError, match=r"step ended with status 1.* ends with: no room"):
        world.run(stack)
    stack.end()
    assert len(world.pids) == 1


def test_end_leaves_nothing_also_of_what_ignores_being_asked(world, monkeypatch):
    """Nor what has opened a session of its own, nor what has lost its parent."""
    monkeypatch.setattr(processes, "GRACE_S", 0.5)
    deaf = f"trap '' TERM; setsid {sys.executable} -c 'import time; time.sleep(600)' & "
    deaf += "sh -c 'trap \"\" TERM; sleep 600 & sleep 600' & wait; sleep 600"
    stack = world.stack(Part("deaf", deaf))
    tree: set[psutil.Process] = set()

    def has_grown() -> bool:
        tree.update(psutil.Process(world.pids[0]).children(recursive=True))
        return len(tree) >= 4

    world.run(stack, has_grown)
    stack.end()
    assert all(map(has_ended, tree))
    assert not psutil.pid_exists(world.pids[0])


def test_end_in_a_hurry_asks_nobody_to_wait_for(world):
    """The second Ctrl-C: what would take its time is killed."""
    stack = world.stack(Part("slow", "trap 'sleep 300' TERM; sleep 600 & wait; wait"))
    world.run(stack, World.at_once)
    stack.end(is_urgent=lambda: True)
    assert not psutil.pid_exists(world.pids[0])


def test_guard_ends_what_was_started_when_its_owner_is_killed(tmp_path):
    """The end of its input is all that it needs, and no other process is touched."""
    part = subprocess.Popen(["sh", "-c", "trap '' TERM; sleep 600 & wait"], start_new_session=True)
    other = subprocess.Popen(["sleep", "600"], start_new_session=True)
    guard = subprocess.Popen(
        [sys.executable, "-m", "tasks.operations.stack.guard"], cwd=ROOT, stdin=subprocess.PIPE
    )
    try:
        sleeper = psutil.Process(part.pid)
        guard.communicate(f"{part.pid}\n999999999\n".encode(), timeout=60)
        part.wait(timeout=60)
        assert has_ended(sleeper)
        assert other.poll() is None
    finally:
        for process in (part, other, guard):
            process.kill()
            process.wait()
