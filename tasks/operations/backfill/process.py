"""A run of one date as a process, `python -m flows.score_sentiment`; it ends with this one."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence

from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL

from tasks.orchestration.child import ended_with_us

PATIENCE_S = 30


class ProcessRun:
    """The process; what it prints is read only if it fails."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=self._said,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for us, and we end it
            preexec_fn=ended_with_us(signal.SIGKILL),  # the next one goes on with the run
        )

    def poll(self) -> int | None:
        return self._process.poll()

    def fault(self) -> str:
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        errors = [line.partition("error: ")[2] for line in lines if "error: " in line]
        return (errors or lines or [f"exit status {self._process.returncode}"])[-1]

    def end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def start_flow(module: str, arguments: Sequence[str]) -> ProcessRun:
    """Start a flow's command; it reports to the Prefect API that this process reports to."""
    known = PREFECT_API_AUTH_STRING.value()
    secret = getattr(known, "get_secret_value", lambda: known)()
    environment = {**os.environ, "PREFECT_API_URL": PREFECT_API_URL.value() or ""}
    if secret:
        environment["PREFECT_API_AUTH_STRING"] = str(secret)
    return ProcessRun([sys.executable, "-m", module, *arguments], environment)
