"""The self-test in a process of its own: whatever the model does there, the device goes on."""

import hashlib
import os
import random
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import cv2
import pytest
from edge_detector.errors import EdgeError, ModelError
from edge_detector.slots.slot import Slot
from edge_detector.slots.slots import Slots
from edge_detector.updates.self_test_process import NICENESS, run_self_test, self_test_command

from tests.edge.device.tiny import GOLDEN_CELLS, build_tiny, paint, tiny_manifest
from tests.edge.releases import install

LONG_S = 60.0


def run(
    program: str, limit_s: float = LONG_S, cancelled: Callable[[], bool] = lambda: False
) -> None:
    """Run a program in the place of the self-test."""
    run_self_test((sys.executable, "-c", program), limit_s, cancelled)


def test_self_test_is_the_command_of_this_package():
    """Of this Python, with the slot's folder, on the interpreter that will run it."""
    assert self_test_command(Path("/home/slots/x"), 3, "litert") == (
        sys.executable,
        "-m",
        "edge_detector",
        "self-test",
        "/home/slots/x",
        "--threads",
        "3",
        "--runtime",
        "litert",
    )


def test_release_that_passes_is_told_in_the_log(caplog):
    """With what the test said last."""
    caplog.set_level("INFO")
    run("print('...'); print('passed on 3 pictures')")
    assert "passed on 3 pictures" in caplog.text


def test_release_that_fails_is_refused_with_its_last_words():
    """Without the prefix that is for the terminal."""
    with pytest.raises(ModelError, match=r"^the self-test failed: no bolt at 1,2$"):
        run("import sys; print('INFO'); print('error: no bolt at 1,2', file=sys.stderr); exit(1)")


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGILL"])
def test_crash_of_the_interpreter_is_the_release_s_fault(name):
    """And takes nobody along."""
    with pytest.raises(ModelError, match=f"crashed .{name}"):
        run(f"import os, signal; os.kill(os.getpid(), signal.{name})")


def test_killed_test_says_nothing_of_the_release():
    """The system does so when it is out of memory, and later it may have enough."""
    with pytest.raises(EdgeError, match="cannot be run here now") as error:
        run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert not isinstance(error.value, ModelError)


def test_endless_test_is_ended_with_all_that_it_started(tmp_path: Path):
    """Its time is bounded, and no process stays behind."""
    note = tmp_path / "child"
    program = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(note)!r}, 'w').write(str(child.pid))\n"
        "time.sleep(600)"
    )
    with pytest.raises(EdgeError, match="given up"):
        run(program, cancelled=lambda: note.exists() and bool(note.read_text()))

    child, deadline = int(note.read_text()), time.monotonic() + 60
    while is_running(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_running(child)


def is_running(process: int) -> bool:
    with suppress(OSError):
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    return False


def test_test_that_takes_too_long_is_the_release_s_fault():
    """The limit is in the message."""
    with pytest.raises(ModelError, match=r"did not end within 0\.2 s"):
        run("import time; time.sleep(600)", limit_s=0.2)


@pytest.mark.parametrize("status", [2, 3, 127])
def test_test_that_cannot_be_run_is_not_the_release_s_fault(status):
    """For example where there is no runtime."""
    with pytest.raises(EdgeError, match="cannot be run here: no TFLite runtime") as error:
        run(f"print('error: no TFLite runtime'); exit({status})")
    assert not isinstance(error.value, ModelError)


def test_program_that_cannot_be_started_is_not_the_release_s_fault():
    """The system's reason is in the message."""
    with pytest.raises(EdgeError, match="cannot be started") as error:
        run_self_test(("/nowhere/python",), LONG_S)
    assert not isinstance(error.value, ModelError)


def test_silent_failure_is_told_as_such():
    """There is always something to show."""
    with pytest.raises(ModelError, match="it says nothing"):
        run("exit(1)")


def test_talkative_failure_is_told_by_its_end():
    """Megabytes of output are neither kept in memory nor shown."""
    with pytest.raises(ModelError, match=r"failed: the end$"):
        run("for _ in range(100): print('x' * 100_000)\nprint('the end'); exit(1)")


def test_self_test_leaves_the_processor_to_the_camera():
    """It runs with a lower priority."""
    niceness = max(os.nice(0), NICENESS)
    program = (
        "import os, time\n"
        f"for _ in range(500):\n    if os.nice(0) == {niceness}: exit(0)\n    time.sleep(0.01)\n"
        "print(os.nice(0)); exit(1)"
    )
    run(program)


class TestRealRelease:
    """With a model, the command, and the runtime."""

    @pytest.fixture
    def slot(self, tmp_path: Path) -> Slot:
        picture = cv2.imencode(".png", paint(*GOLDEN_CELLS))[1].tobytes()
        return self.install(tmp_path, build_tiny(), picture)

    def install(self, folder: Path, model: bytes, picture: bytes) -> Slot:
        manifest = tiny_manifest()
        golden = replace(
            manifest.golden[0], sha256=hashlib.sha256(picture).hexdigest(), size=len(picture)
        )
        model_file = replace(
            manifest.model, sha256=hashlib.sha256(model).hexdigest(), size=len(model)
        )
        manifest = replace(manifest, model=model_file, golden=(golden,))
        files = {model_file.file: model, golden.file: picture}
        return install(Slots(folder / "home"), manifest, files)

    def test_good_release_passes(self, slot: Slot, caplog):
        """And the log has what the test said."""
        caplog.set_level("INFO")
        run_self_test(self_test_command(slot.folder), LONG_S)
        assert "passed" in caplog.text

    def test_release_that_finds_something_else_fails(self, tmp_path: Path):
        """The picture shows a cell that the publisher's model has not found."""
        picture = cv2.imencode(".png", paint(*GOLDEN_CELLS, ("green", 4, 4)))[1].tobytes()
        slot = self.install(tmp_path, build_tiny(), picture)
        with pytest.raises(ModelError, match=r"the self-test failed: .*also found green"):
            run_self_test(self_test_command(slot.folder), LONG_S)

    def test_file_that_is_no_model_fails(self, tmp_path: Path):
        """Whatever the interpreter does with it."""
        picture = cv2.imencode(".png", paint(*GOLDEN_CELLS))[1].tobytes()
        slot = self.install(tmp_path, random.Random(1).randbytes(100_000), picture)
        with pytest.raises(ModelError, match="the self-test"):
            run_self_test(self_test_command(slot.folder), LONG_S)
