"""Where the state lies: in the home, or on a PostgreSQL."""

from dataclasses import dataclass
from pathlib import Path

from services.fraud.state.in_file.file_state import FileState
from services.fraud.state.snapshot import state_path
from services.fraud.state.state import PATIENCE_S, State


@dataclass(frozen=True)
class StatePlace:
    """Where the state lies.

    Attributes:
        url: address of a PostgreSQL; None: a file in the home.
        holds_log: whether answers are logged in the same database.
    """

    home: Path
    url: str | None = None
    holds_log: bool = False

    def open(self, *, patience_s: float = PATIENCE_S) -> State:
        """Open the state, or make an empty one.

        Args: patience_s: how long a request waits for others before it gives up recording; a
            PostgreSQL keeps a time of its own.

        Raises: StateUnavailable: it is damaged or away; the message says what to do.
        """
        if self.url is None:
            return FileState(state_path(self.home), patience_s=patience_s)
        from services.fraud.state.in_postgres.postgres_state import PostgresState

        return PostgresState(self.url, holds_log=self.holds_log)
