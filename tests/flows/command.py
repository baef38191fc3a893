"""A flow's command in a bare environment, as on a new machine."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.flows.prefect_server import server_password, server_url
from tests.threads import threads

ROOT = Path(__file__).parents[2]
RUN_S = 900  # on a machine that does other things too


def command(
    module: str,
    home: Path,
    *arguments: str,
    own_server: bool = False,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[str]:
    """Start `python -m module`, with TRIPTYCH_HOME at `home` and an empty HOME beside it.

    own_server: it starts a Prefect server of its own, as it does where none is configured.
    """
    user_home = home.parent / "empty-home"
    user_home.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(user_home),
            "TRIPTYCH_HOME": str(home),
            **threads(),
            **({} if own_server else _server_of_the_tests()),
            **(environment or {}),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def done(*processes: subprocess.Popen[str]) -> list[str]:
    """Wait for commands to end well; what each has said. None of them runs on."""
    said = []
    try:
        for process in processes:
            output, errors = process.communicate(timeout=RUN_S)
            assert process.returncode == 0, output + errors
            assert "Traceback" not in output + errors, output + errors
            said.append(output)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return said


def _server_of_the_tests() -> dict[str, str]:
    return {"PREFECT_API_URL": server_url(), "PREFECT_API_AUTH_STRING": server_password()}
