"""The pointer file `state.json`: read and replaced by one process at a time.

A pointer that is missing or damaged is no error here: it reads as None, and whoever needs it looks
at the slots themselves.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_detector.errors import ConfigError
from edge_detector.slots.state import State
from edge_detector.system.atomic import Step, replace_file
from edge_detector.system.locks import locked

PATIENCE_S = 10.0  # holders of the lock verify one model and write one small file

logger = logging.getLogger(__name__)


class Pointer:
    """Which slot of a home runs, on disk."""

    def __init__(self, home: Path, step: Step) -> None:
        self.path = home / "state.json"
        self._lock = home / "state.lock"
        self._step = step

    @contextmanager
    def locked(self, patience_s: float = PATIENCE_S) -> Iterator[None]:
        """Be the only one who reads and then writes it. Raises as `system.locks.locked`."""
        with locked(self._lock, patience_s, f"another process uses {self.path}"):
            yield

    def read(self) -> State | None:
        """What it says; None: it is missing or damaged.

        Raises:
            ConfigError: this user may not read it.
        """
        try:
            return State.from_json(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except PermissionError as error:
            raise ConfigError(
                f"cannot read {self.path}: {error.strerror}; run this as the user of the device"
            ) from error
        except (OSError, ValueError) as error:
            logger.warning("%s is damaged (%s): looking at the slots themselves", self.path, error)
            return None

    def write(self, state: State) -> None:
        """Replace it.

        Raises:
            ConfigError: it cannot be written; nothing has changed.
        """
        try:
            replace_file(self.path, state.to_json(), self._step)
        except OSError as error:
            raise ConfigError(f"cannot write {self.path}: {error.strerror or error}") from error

    def try_to_write(self, state: State) -> None:
        """Replace it if that is possible: a model runs on a read-only or full disk as well."""
        try:
            self.write(state)
        except ConfigError as error:
            logger.warning("%s; going on without", error)
