"""Where a model comes from: the version of the code that made it."""

import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


@cache
def code_version() -> str:
    """The package's version and, in a checkout, the commit; `+changes` if that is not all.

    As this process found it first: what is loaded stays, whatever is checked out meanwhile.
    """
    try:
        release = version("triptych")
    except PackageNotFoundError:
        release = "unknown"
    if not (Path(__file__).parents[2] / ".git").exists():
        return release
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty=+changes", "--exclude=*"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return release
    return f"{release} ({described})"
