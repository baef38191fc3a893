"""Where faults are rehearsed: a copy of a home, and a Prefect server of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Stage:
    """Attributes:
    home: the copy.
    folder: for what a rehearsal needs beside it.
    api: variables that lead commands to the server; not to be shown.
    """

    home: Path
    folder: Path
    api: Mapping[str, str] = field(repr=False)

    def environment(self, home: Path | None = None) -> dict[str, str]:
        """Variables of a command; home: another one than the copy."""
        return {**self.api, "TRIPTYCH_HOME": str(home or self.home)}
