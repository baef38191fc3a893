"""The demo of the service: starts it, sends it transactions of the simulation, shows the answers.

    python -m services.fraud.demo

Needs a champion and a snapshot, as `python -m flows.train_fraud` leaves them. The transactions
are some of the snapshot's last day, and their labels are sent too, for the audit to compare: a
simulation knows them at once.
"""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from rich.console import Console

from services.fraud.errors import FraudError
from services.fraud.settings import ServiceSettings
from services.fraud.state.snapshot import Row, read_pointer, read_snapshot
from services.fraud.transactions.features import DAY_S

START_S = 60.0
GENUINE, FRAUDS = 1_940, 60  # that are sent, if there are as many; more are fraud than in life
HOST = "127.0.0.1"
console = Console(highlight=False, soft_wrap=True)


def main() -> int:
    """Run the demo; 1 if there is nothing to show, 2 if it is asked for something else."""
    if words := sys.argv[1:]:
        Console(stderr=True, soft_wrap=True, markup=False).print(
            f"error: python -m services.fraud.demo takes no arguments, such as {words[0]}"
        )
        return 2
    settings = ServiceSettings()
    try:
        rows = labelled_rows(settings.home)
    except FraudError as error:
        Console(stderr=True, soft_wrap=True).print(f"error: {error}")
        return 1
    began = time.perf_counter()
    with serving(settings.home) as port:
        console.print(f"\n[bold]fraud service[/bold]  ready in {time.perf_counter() - began:.1f} s")
        connection = HTTPConnection(HOST, port, timeout=10)
        headers = {"Content-Type": "application/json"}
        if settings.keys:
            headers["X-API-Key"] = settings.keys[0]

        def post(path: str, body: dict[str, Any]) -> Any:
            connection.request("POST", path, json.dumps(body), headers)
            answer = connection.getresponse()
            content = json.loads(answer.read())
            if answer.status != 200:
                raise SystemExit(f"{path} answered {answer.status}: {content}")
            return content

        answers, times_ms = [], []
        for row in rows:
            asked = time.perf_counter()
            answers.append(post("/score_transaction", transaction(row)))
            times_ms.append(1e3 * (time.perf_counter() - asked))
        labels = [{"transaction_id": row[0], "is_fraud": row[5]} for row in rows]
        post("/labels", {"labels": labels})
    summarise(rows, answers, sorted(times_ms))
    return 0


def summarise(rows: list[Row], answers: list[Any], times_ms: list[float]) -> None:
    """Two answers, and how quick and how right all were. times_ms: in order."""
    caught = sum(a["is_fraud"] for a, row in zip(answers, rows, strict=True) if row[5])
    alarms = sum(a["is_fraud"] for a, row in zip(answers, rows, strict=True) if not row[5])
    surest = max(range(len(rows)), key=lambda i: (rows[i][5], answers[i]["probability"]))
    by_probability = sorted(range(len(rows)), key=lambda i: answers[i]["probability"])
    usual = by_probability[len(rows) // 2]
    show("a usual transaction", rows[usual], answers[usual])
    show("a fraud", rows[surest], answers[surest])
    console.print(
        f"{len(rows):,} transactions one after another: half within"
        f" {times_ms[len(times_ms) // 2]:.2f} ms, 99 % within"
        f" {times_ms[int(len(times_ms) * 0.99)]:.2f} ms;"
        f" {caught} of {sum(row[5] for row in rows)} frauds caught,"
        f" {alarms} of {sum(not row[5] for row in rows):,} genuine ones flagged\n"
    )


def labelled_rows(home: Path) -> list[Row]:
    """Transactions of the snapshot's last day, in order of time.

    Raises: FraudError: there is no snapshot, or nothing in its last day.
    """
    pointer = read_pointer(home)
    if pointer is None:
        raise FraudError("no snapshot: run python -m flows.train_fraud first")
    since = pointer.as_of - DAY_S  # what is older has no full windows in a snapshot
    rows = [row for batch in read_snapshot(pointer) for row in batch if row[4] > since]
    if not rows:
        raise FraudError(f"the snapshot {pointer.file} has no transactions of its last day")
    draw = random.Random(0)
    frauds = [row for row in rows if row[5]]
    genuine = [row for row in rows if not row[5]]
    drawn = draw.sample(frauds, min(FRAUDS, len(frauds)))
    drawn += draw.sample(genuine, min(GENUINE, len(genuine)))
    return sorted(drawn, key=lambda row: row[4])


def transaction(row: Row) -> dict[str, Any]:
    """The body of /score_transaction."""
    transaction_id, customer_id, terminal_id, cents, time_s, _ = row
    return {
        "transaction_id": transaction_id,
        "customer_id": customer_id,
        "terminal_id": terminal_id,
        "amount": cents / 100,
        "time": datetime.fromtimestamp(time_s, UTC).isoformat().replace("+00:00", "Z"),
    }


def show(what: str, row: Row, answer: dict[str, Any]) -> None:
    """A request and its answer."""
    console.print(f"\n[bold]{what}[/bold]  POST /score_transaction {json.dumps(transaction(row))}")
    console.print(json.dumps(answer, indent=2), soft_wrap=False)


@contextmanager
def serving(home: Path) -> Iterator[int]:
    """BentoML's server on a free port, once it is ready. Its log is in the home folder."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        port: int = free.getsockname()[1]
    log = home / "fraud" / "demo-service.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "bentoml", "serve"),
                *("services.fraud.service:FraudDetector", "--host", HOST, "--port", str(port)),
            ],
            env={**os.environ, "BENTOML_DO_NOT_TRACK": "True"},
            stdout=output,
            stderr=output,
        )
    try:
        await_ready(server, port, log)
        yield port
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=30)


def await_ready(server: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    """Wait for /readyz.

    Raises: SystemExit: it ended, or took too long.
    """
    deadline = time.monotonic() + START_S
    while server.poll() is None and time.monotonic() < deadline:
        try:
            connection = HTTPConnection(HOST, port, timeout=2)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise SystemExit(f"the service did not become ready; its log is {log}")


if __name__ == "__main__":
    sys.exit(main())
