"""The servers of a large set-up, each a process of its own that ends with its block."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import sqlalchemy as sa

from tests.services.fraud.running import free_port
from tests.threads import threads

ROOT = Path(__file__).parents[3]
CONFIGURATION = ROOT / "deployments" / "nginx.conf"
SCHEDULER = re.compile(r"Scheduler at: +(tcp://\S+)")
START_S = 180  # on a machine that does other things too
END_S = 20


def environment(home: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """A bare one, as on a new machine, with these settings."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": programs, "HOME": str(home), **threads(), **settings}


@contextmanager
def running(
    command: Sequence[object], log: Path, env: Mapping[str, str], **options: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """A process, and all that it starts, for as long as the block lasts."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            **{"cwd": ROOT, **options},
        )
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process in good order, and in any case; also what it has started."""
    family: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_S)
    process.kill()
    process.wait()
    for each in family:
        with suppress(psutil.NoSuchProcess):
            each.kill()


def await_true(asked: Callable[[], object], process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for a server to be ready, which has not ended."""
    deadline = time.monotonic() + START_S
    while not asked():
        assert process.poll() is None, log.read_text()[-4_000:]
        assert time.monotonic() < deadline, log.read_text()[-4_000:]
        time.sleep(0.1)


def answers(url: str) -> bool:
    """Whether an address answers that all is well."""
    with suppress(httpx.HTTPError):
        return httpx.get(url, timeout=2).is_success
    return False


@contextmanager
def debian_postgres() -> Iterator[sa.URL]:
    """A server of the system's package, on a Unix socket: its address, without a database.

    Prefect needs the extension pg_trgm, which other builds come without. As for root it runs as
    another user, its folder is one that anybody may enter.
    """
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    control = sorted(Path("/usr/share/postgresql").glob("*/extension/pg_trgm.control"))
    if not programs or not control:
        pytest.skip("no PostgreSQL with pg_trgm here, which Prefect needs: apt install postgresql")
    user = {"user": "postgres"} if os.getuid() == 0 else {}  # root may not run it
    with tempfile.TemporaryDirectory(prefix="postgres-") as name:
        folder, log = Path(name), Path(name) / "log"
        if user:
            shutil.chown(folder, "postgres")
        folder.chmod(0o755)
        bare: dict[str, Any] = {"cwd": "/", **user}
        options = ("-D", folder / "data", "-U", "triptych", "-A", "trust", "-N")
        made = subprocess.run([programs[-1], *options], capture_output=True, text=True, **bare)
        assert made.returncode == 0, made.stderr
        url = sa.make_url(f"postgresql+psycopg://triptych@/postgres?host={folder}")
        command: list[object] = [programs[-1].with_name("postgres"), "-D", folder / "data"]
        command += ["-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"]
        with running(command, log, {"PATH": os.environ["PATH"], "LC_ALL": "C"}, **bare) as server:
            await_true(lambda: _connects(url), server, log)
            yield url


def _connects(url: sa.URL) -> bool:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with suppress(sa.exc.OperationalError), engine.connect():
        return True
    return False


def new_database(server: sa.URL, name: str) -> sa.URL:
    """The address of an empty one."""
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    return server.set(database=name)


@contextmanager
def dask_cluster(folder: Path, settings: Mapping[str, str]) -> Iterator[str]:
    """A scheduler and two worker processes, once these are there; its address."""
    log = folder / "scheduler.log"
    env, python = environment(folder, settings), (sys.executable, "-m")
    where = ("--host", "127.0.0.1", "--no-dashboard")
    ports = ("--port", 0, "--dashboard-address", "127.0.0.1:0")  # it has that also without one
    central = (*python, "distributed.cli.dask_scheduler", *where, *ports)
    with running(central, log, env) as scheduler:
        await_true(lambda: SCHEDULER.search(log.read_text()), scheduler, log)
        address = SCHEDULER.findall(log.read_text())[0]
        two = ("--nworkers", 2, "--nthreads", 1, "--local-directory", folder / "dask")
        workers = (*python, "distributed.cli.dask_worker", address, *where, *two)
        with running(workers, folder / "workers.log", env) as started:
            await_true(lambda: log.read_text().count("Register worker") == 2, started, log)
            yield address


@contextmanager
def prefect_server(home: Path, database: sa.URL) -> Iterator[str]:
    """Prefect's server of a home on a database, as deployments/server starts it; its address."""
    port, log = free_port(), home.parent / "prefect.log"
    url = database.set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)
    settings = {"TRIPTYCH_HOME": str(home), "TRIPTYCH_PORT": str(port)}
    settings["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = url
    env = environment(home.parent, settings)
    with running([ROOT / "deployments" / "server"], log, env) as server:
        await_true(lambda: answers(f"http://127.0.0.1:{port}/api/health"), server, log)
        yield f"http://127.0.0.1:{port}/api"


@contextmanager
def balancer(log: Path, replicas: Sequence[str]) -> Iterator[str]:
    """nginx, as deployments/nginx.conf has it, before two services; its address.

    As for root its workers run as another user, its folder is one that anybody may enter.
    """
    program = shutil.which("nginx", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    if program is None:
        pytest.skip("no nginx here: apt install nginx")
    port, text = free_port(), CONFIGURATION.read_text("utf-8")
    addresses = (f"http://127.0.0.1:{port}", *replicas)
    for shipped, mine in zip(("3000", "3001", "3002"), addresses, strict=True):
        assert text.count(f"127.0.0.1:{shipped}") == 1
        text = text.replace(f"127.0.0.1:{shipped}", mine.removeprefix("http://"))
    with tempfile.TemporaryDirectory(prefix="nginx-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "nginx.conf").write_text(text, "utf-8")
        command = (program, "-p", folder, "-c", folder / "nginx.conf", "-g", "daemon off;")
        with running(command, log, {"PATH": os.environ["PATH"]}) as server:
            await_true(lambda: answers(f"http://127.0.0.1:{port}/readyz"), server, log)
            yield f"http://127.0.0.1:{port}"
