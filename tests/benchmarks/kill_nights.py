"""Kills in the middle of a night, on real processes: `python -m tests.benchmarks.kill_nights`.

A PostgreSQL for the results and for Prefect, a Prefect server, a worker, and the watcher, each
started again when it has ended, as systemd or Docker would. Of these the worker, the server or
PostgreSQL is killed (SIGKILL) at a random moment of a night, and nothing else is done. It is seen
when the run has ended and its place is free, that the next scheduled run ends the night, and that
no row is doubled or lost, in SQL and in Parquet.
"""

import argparse
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import psutil
import sqlalchemy as sa
from prefect.client.orchestration import SyncPrefectClient
from prefect.states import Scheduled

ROOT = Path(__file__).parents[2]
KINDS = ("worker", "server", "postgres")
BOUND_S = 120.0  # from the kill to the run's end and its free place
PATIENCE_S = 420.0
RESTART_S = 2.0  # as RestartSec of a systemd unit
REVIEWS, ROWS_PER_PART = 300, 10
ENDS = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
TEXTS = ("Excellent, I love it.", "Terrible, it broke at once.", "It fits well and looks good.")


@dataclass
class Trial:
    """What became of one kill; times in seconds from the kill."""

    kind: str
    killed_after_s: float  # from when the run was asked for
    state_at_kill: str
    rows_at_kill: int
    run_ended: str = ""
    ended_s: float = -1.0
    place_free_s: float = -1.0
    next_run_ended: str = ""
    next_ended_s: float = -1.0
    doubled: int = -1
    lost: int = -1

    @property
    def is_good(self) -> bool:
        """Whether it is as promised."""
        in_time = 0 <= self.ended_s <= BOUND_S and 0 <= self.place_free_s <= BOUND_S
        # A run that nothing happened to goes on, and holds its place as it should.
        unhurt = self.run_ended == "COMPLETED"
        rows = (self.doubled, self.lost) == (0, 0)
        return (in_time or unhurt) and rows and self.next_run_ended == "COMPLETED"


class Postgres:
    """A server of the system's package, as Prefect needs the extension pg_trgm."""

    def __init__(self, folder: Path, log: Path, stack: ExitStack) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if not found:
            raise SystemExit("install PostgreSQL with its contrib package first")
        programs, data = found[-1].parent, folder / "data"
        user = "postgres" if os.getuid() == 0 else None  # root may not run it
        folder.mkdir()
        if user:
            shutil.chown(folder, user)
        initdb: list[Any] = [programs / "initdb", "-D", data, "-U", "triptych", "-A", "trust", "-N"]
        quiet: Any = {"stdout": subprocess.DEVNULL, "cwd": "/"}
        subprocess.run(initdb, user=user, check=True, **quiet)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command: list[Any] = [programs / "postgres", "-D", data, "-k", folder, "-p", port]
        command += ["-c", "listen_addresses=127.0.0.1"]
        self._server = Supervised([str(word) for word in command], {}, log, user)
        stack.callback(self._server.stop)
        self.url = sa.make_url(f"postgresql+psycopg://triptych@127.0.0.1:{port}/postgres")

    def create(self, name: str) -> sa.URL:
        """The address of a new database."""
        engine = sa.create_engine(self.url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        for _ in range(100):
            with suppress(sa.exc.OperationalError), engine.connect() as connection:
                connection.execute(sa.text(f"CREATE DATABASE {name}"))
                return self.url.set(database=name)
            time.sleep(0.2)
        raise TimeoutError("PostgreSQL does not start")

    def kill(self) -> None:
        """With all its processes."""
        self._server.kill_family()


class Supervised:
    """A process that is started again a moment after it has ended."""

    def __init__(
        self, command: list[str], env: dict[str, str], log: Path, user: str | None = None
    ) -> None:
        self._command, self._env, self._log, self._user = command, env, log, user
        self._over = threading.Event()
        self.process = self._start()
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    def _start(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as output:
            return subprocess.Popen(
                self._command,
                cwd="/" if self._user else ROOT,
                env=self._env,
                user=self._user,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _keep(self) -> None:
        while not self._over.is_set():
            self.process.wait()
            if not self._over.wait(RESTART_S):
                self.process = self._start()

    def kill(self) -> None:
        """SIGKILL, for this process alone."""
        self.process.kill()

    def kill_family(self) -> None:
        """SIGKILL, for all that it has started too."""
        root = psutil.Process(self.process.pid)
        family = [root, *root.children(recursive=True)]
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def stop(self) -> None:
        """End it for good, with what it has started."""
        self._over.set()
        with suppress(psutil.NoSuchProcess):
            family = psutil.Process(self.process.pid).children(recursive=True)
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
            self.process.kill()
            for child in family:
                with suppress(psutil.NoSuchProcess):
                    child.kill()
        self._thread.join(5)


class Stack:
    """A deployed stack in a folder of its own."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self._postgres = Postgres(folder / "postgres", folder / "postgres.log", stack)
        self.database = self._postgres.create("triptych")
        prefect = self._postgres.create("prefect").set(drivername="postgresql+asyncpg")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.api = f"http://127.0.0.1:{port}/api"
        env = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "TRIPTYCH_HOME": str(folder / "var"),
            "TRIPTYCH_DATABASE_URL": self.database.render_as_string(hide_password=False),
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_API_URL": self.api,
            "PREFECT_SERVER_API_PORT": str(port),
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": prefect.render_as_string(hide_password=False),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
                "prefect.server.concurrency.lease_storage.filesystem"
            ),
            "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "15",
            "OMP_NUM_THREADS": "1",
        }
        self._env = env
        python = [sys.executable, "-m"]
        self.server = self._supervise(stack, "server", [*python, "prefect", "server", "start"])
        self._await_health()
        deploy = [str(ROOT / "deployments" / "deploy")]
        subprocess.run(deploy, cwd=ROOT, env=env, check=True, timeout=300)
        self.worker = self._supervise(stack, "worker", [str(ROOT / "deployments" / "worker")])
        self._supervise(stack, "watch", [*python, "flows", "watch"])

    def _supervise(self, stack: ExitStack, name: str, command: list[str]) -> Supervised:
        process = Supervised(command, self._env, self.folder / f"{name}.log")
        stack.callback(process.stop)
        return process

    def _await_health(self) -> None:
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            with suppress(httpx.HTTPError):
                if httpx.get(f"{self.api}/health", timeout=2).is_success:
                    return
            time.sleep(0.5)
        raise TimeoutError((self.folder / "server.log").read_text()[-4_000:])

    def kill(self, kind: str) -> None:
        """One of the three, as by the kernel when memory runs out."""
        if kind == "postgres":
            self._postgres.kill()
        else:
            (self.worker if kind == "worker" else self.server).kill()

    def rows(self, source: str) -> pd.DataFrame:
        """The scores of a source in SQL; empty where there is none, or no database."""
        engine = sa.create_engine(self.database, poolclass=sa.NullPool)
        query = sa.text("SELECT review_id FROM review_sentiment WHERE source = :source")
        try:
            with engine.connect() as connection:
                return pd.read_sql(query, connection, params={"source": source})
        except (sa.exc.SQLAlchemyError, pd.errors.DatabaseError):
            return pd.DataFrame({"review_id": []})
        finally:
            engine.dispose()


def ask(read: Any) -> Any:
    """What the API says; None: it is away."""
    try:
        return read()
    except Exception:  # of httpx or Prefect: the server, or its database, is away
        return None


def trial(stack: Stack, kind: str, number: int, chance: random.Random, spread_s: float) -> Trial:
    """One night with one kill."""
    source = f"{kind}-{number}"
    reviews = stack.folder / f"{source}.csv"
    ids = [f"{source}-{row}" for row in range(REVIEWS)]
    texts = [f"{TEXTS[row % 3]} Number {row}." for row in range(REVIEWS)]
    pd.DataFrame({"id": ids, "text": texts}).to_csv(reviews, index=False)
    day = date(2026, 1, 1) + timedelta(days=2 * number)
    params: dict[str, Any] = {
        "source": str(reviews),
        "text_column": "text",
        "id_column": "id",
        "source_name": source,
        "precision": "float32",
        "rows_per_part": ROWS_PER_PART,
    }
    with SyncPrefectClient(stack.api) as api:
        deployment = api.read_deployment_by_name("score-sentiment/nightly").id

        def plan(run_date: date, at: datetime) -> Any:
            given = {"params": {**params, "run_date": run_date.isoformat()}}
            state: Any = Scheduled(scheduled_time=at)
            return api.create_flow_run_from_deployment(deployment, parameters=given, state=state).id

        now = datetime.now(UTC)
        run = plan(day, now)
        began = time.monotonic()
        if number % 4:  # in the middle of the work; else while it is taken up
            await_state(api, run, "RUNNING")
            time.sleep(chance.uniform(0, spread_s))
        else:
            time.sleep(chance.uniform(0.5, 0.75 * spread_s))
        # The next night, or another try at the same one: it waits for the place of the first.
        at = datetime.now(UTC) + timedelta(seconds=15)
        following = plan(day + timedelta(days=number % 2), at)
        moment = time.monotonic() - began
        before = ask(lambda: api.read_flow_run(run))
        found = Trial(
            kind,
            round(moment, 1),
            before.state_name if before else "?",
            len(stack.rows(source)),
        )
        stack.kill(kind)
        follow(api, found, deployment, run, following)
    compare(stack, found, source, ids, day, number)
    return found


def await_state(api: SyncPrefectClient, run: Any, wanted: str) -> None:
    """Wait for a run to come into a state, or to end."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        state = api.read_flow_run(run).state
        if state and (state.type.value == wanted or state.is_final()):
            return
        time.sleep(0.3)


def follow(api: SyncPrefectClient, found: Trial, deployment: Any, run: Any, following: Any) -> None:
    """Watch both runs to their end."""
    began = time.monotonic()
    while (passed := time.monotonic() - began) < PATIENCE_S:
        time.sleep(0.5)
        first = ask(lambda: api.read_flow_run(run))
        second = ask(lambda: api.read_flow_run(following))
        place = ask(lambda: api.read_deployment(deployment))
        if first is None or second is None or place is None:
            continue
        if first.state_type.value in ENDS:
            if found.ended_s < 0:
                found.run_ended, found.ended_s = first.state_type.value, round(passed, 1)
            taken = place.global_concurrency_limit.active_slots
            other = second.state_type.value in ("PENDING", "RUNNING", "COMPLETED")
            if found.place_free_s < 0 and (taken == 0 or other):
                found.place_free_s = round(passed, 1)
        if second.state_type.value in ENDS and found.next_ended_s < 0:
            found.next_run_ended, found.next_ended_s = second.state_type.value, round(passed, 1)
        if found.ended_s >= 0 and found.next_ended_s >= 0:
            return


def compare(
    stack: Stack, found: Trial, source: str, ids: list[str], day: date, number: int
) -> None:
    """Count doubled and lost rows in SQL and in what is published as Parquet."""
    in_sql = list(stack.rows(source)["review_id"])
    scores = stack.folder / "var" / "sentiment" / "scores"
    last = scores / f"run_date={(day + timedelta(days=number % 2)).isoformat()}"
    in_files: list[str] = []
    if last.exists():
        published = pd.read_parquet(last, filters=[("source", "=", source)])
        in_files = list(published["review_id"])
    found.doubled = sum(len(each) - len(set(each)) for each in (in_sql, in_files))
    found.lost = sum(len(set(ids) - set(each)) for each in (in_sql, in_files))


def render(trials: list[Trial]) -> str:
    """The table, in Markdown, and what it comes to."""
    names = [field.name for field in fields(Trial)]
    lines = ["| " + " | ".join([*names, "as promised"]) + " |", "|---" * (len(names) + 1) + "|"]
    for each in trials:
        values = [str(value) for value in asdict(each).values()]
        lines.append("| " + " | ".join([*values, "yes" if each.is_good else "**no**"]) + " |")
    good = sum(each.is_good for each in trials)
    return "\n".join([*lines, "", f"{good} of {len(trials)} as promised", ""])


def main() -> None:
    """Kill, and write the table after each trial."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--kills", type=int, default=20, help="of each")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--spread", type=float, default=20, help="seconds that a night takes here")
    parser.add_argument("--output", type=Path, default=Path("var/benchmarks/kills.md"))
    parser.add_argument("--keep", type=Path, help="folder that stays, to look into afterwards")
    asked = parser.parse_args()
    asked.output.parent.mkdir(parents=True, exist_ok=True)
    chance, trials = random.Random(asked.seed), []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and nothing is left running
    with ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(prefix="kills-", ignore_cleanup_errors=True)
        folder = asked.keep or Path(stack.enter_context(temporary))
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        running = Stack(folder, stack)
        for number in range(asked.kills):
            for kind in asked.kinds.split(","):
                trials.append(trial(running, kind, number, chance, asked.spread))
                asked.output.write_text(render(trials))
                print(trials[-1], flush=True)
    sys.exit(0 if all(each.is_good for each in trials) else 1)


if __name__ == "__main__":
    main()
