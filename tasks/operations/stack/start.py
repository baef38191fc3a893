"""The stack on one machine, started and held until Ctrl-C."""

import os
import sys
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).parents[3]


def run(_: object) -> NoReturn:
    """Become the process that runs the stack."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    os.execve(ROOT / "deployments" / "up", ["up"], {**os.environ, "PATH": path})
