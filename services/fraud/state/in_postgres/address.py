"""The address of the PostgreSQL that holds the state, and how its errors are told."""

from typing import Any

from services.fraud.errors import StateUnavailable
from services.storage.database import PostgresDatabase
from services.storage.errors import StorageError

CONNECT_S = 2  # with each host of the address; libpq knows no shorter time


class StateAddress(PostgresDatabase):
    """An address that has been read; nothing is connected to."""

    form = (
        "use postgresql+psycopg://USER:PASSWORD@HOST/DATABASE, with %40 for each @ in the"
        " password, or leave it unset for a file in the home"
    )

    def __init__(self, url: str) -> None:
        """Raises: StateUnavailable: it is none of a PostgreSQL, or its driver is missing."""
        try:
            super().__init__(url)
        except StorageError as error:
            raise StateUnavailable(str(error)) from None

    def parameters(self) -> dict[str, Any]:
        """What psycopg connects by. What the address itself says goes first."""
        _, given = self._engine.dialect.create_connect_args(self._url)
        patience = {
            "connect_timeout": CONNECT_S,
            "tcp_user_timeout": 1_000 * CONNECT_S,  # ms, for a host that has gone without a word
            "client_encoding": "utf8",
        }
        return {**patience, **given}

    def refuse(self, reason: str) -> StateUnavailable:  # type: ignore[override]
        """The error of this state for a reason."""
        return StateUnavailable(f"state {self.address}: {reason}")

    def explain(self, error: Exception) -> StateUnavailable:
        """The error of this state for one of the driver: one line, without a password."""
        told = str(self._explain(error)).removeprefix(f"database {self.address}: ")
        return self.refuse(told)
