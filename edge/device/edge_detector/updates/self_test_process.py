"""The self-test of a release, in a process of its own: a model that crashes crashes only that.

What it says of the release: it passed; it failed, crashed, or took too long. What it says of the
device, and not of the release: the test could not be run, or was killed, as by a system that is
out of memory.
"""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from edge_detector.errors import EdgeError, ModelError
from edge_detector.inference.runtime import AUTO

FAILED = 1  # exit status: the release's fault; any other one but 0: ours
NICENESS = 10  # the camera goes first
ASK_EVERY_S = 0.05
OUTPUT_BYTES = 4096  # of the end of what the test says

logger = logging.getLogger(__name__)


def self_test_command(folder: Path, threads: int = 1, runtime: str = AUTO) -> tuple[str, ...]:
    """What tests the release in a folder, with the interpreter that is to run it."""
    command = (sys.executable, "-m", "edge_detector", "self-test", str(folder))
    return (*command, "--threads", str(threads), "--runtime", runtime)


def run_self_test(
    command: Sequence[str], limit_s: float, cancelled: Callable[[], bool] = lambda: False
) -> None:
    """Run a release's self-test, by `self_test_command`.

    cancelled: asked now and then; True ends it.

    Raises:
        ModelError: it failed, crashed, or took longer than limit_s.
        EdgeError: it could not be run, was killed, or was cancelled.
    """
    with TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us; and all it starts ends with it
            )
        except OSError as error:
            raise EdgeError(f"the self-test cannot be started: {error}") from error
        try:
            with suppress(OSError):  # it was faster
                niceness = max(os.getpriority(os.PRIO_PROCESS, 0), NICENESS)
                os.setpriority(os.PRIO_PROCESS, process.pid, niceness)
            _wait(process, limit_s, cancelled)
        finally:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        _judge(process.returncode, _describe_output(output))


def _wait(
    process: "subprocess.Popen[bytes]", limit_s: float, cancelled: Callable[[], bool]
) -> None:
    deadline = time.monotonic() + limit_s
    while process.poll() is None:
        time.sleep(ASK_EVERY_S)
        if cancelled():
            raise EdgeError("the self-test was given up, as the device is ending")
        if time.monotonic() > deadline:
            raise ModelError(f"the self-test did not end within {limit_s:g} s")


def _judge(status: int, output: str) -> None:
    if status == 0:
        logger.info("self-test: %s", output)
    elif status == -signal.SIGKILL:
        raise EdgeError("the self-test cannot be run here now: it was killed (out of memory?)")
    elif status < 0:
        with suppress(ValueError):
            raise ModelError(f"the self-test crashed ({signal.Signals(-status).name})")
        raise ModelError(f"the self-test crashed (signal {-status})")
    elif status == FAILED:
        raise ModelError(f"the self-test failed: {output}")
    else:
        raise EdgeError(f"the self-test cannot be run here: {output}")


def _describe_output(output: IO[bytes]) -> str:
    """The last error that the test named, or else the last line that it printed."""
    output.seek(max(output.seek(0, os.SEEK_END) - OUTPUT_BYTES, 0))
    lines = output.read().decode("utf-8", "replace").strip().splitlines()
    errors = [line for line in lines if line.startswith("error: ")]  # the outputs may be mixed
    last = (errors or lines or ["it says nothing"])[-1]
    return last.removeprefix("error: ")
