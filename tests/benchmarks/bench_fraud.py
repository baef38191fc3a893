"""The fraud service beside the original script, FastAPI, bare Starlette and LitServe.

    python -m tests.benchmarks.bench_fraud [--seconds N] [--rounds N] [--quick]

All peers serve the same network on loopback, in turns, and are asked by wrk from 1, 8, 32 and 128
connections; of several rounds the one with the median rate counts, for a shared machine is not
as fast at one moment as at the next. Then the service alone: raw transactions against a state of
5,000 customers and 10,000 terminals, batches as Arrow, and more connections than it takes.
Prints each result as it comes, and keeps in var/benchmarks/fraud.json what is known by then, with
the machine that it was measured on. A peer that gives nothing is shown as such.
"""

import argparse
import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date, timedelta
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from rich.console import Console

from tests.benchmarks.comparison import (
    NO_ANSWER,
    Metrics,
    format_load,
    format_metric,
    keep,
    median_peer,
    ratios,
    table_of,
)
from tests.benchmarks.load import Load, free_port, memory_mb, require_wrk, rush, wrk
from tests.benchmarks.machine import describe_machine
from tests.benchmarks.peers.fraud_peers import PEERS

START_S = 120.0  # for a server to give its first answer
CONNECTIONS = (1, 8, 32, 128)
OURS = "triptych"
ROW = [57.16, 0, 0, 1, 57.16, 5, 48.9, 41, 54.1, 2, 0.0, 6, 0.0, 27, 0.0]
BODY = json.dumps({"transaction_data": ROW})
DETECT = f"""
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{BODY}'
"""
SCORE = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local n = 0
math.randomseed(os.time())
local run = os.time()
request = function()
  n = n + 1
  return wrk.format(nil, nil, nil, string.format(
    '{"transaction_id":"b%d-%d","customer_id":"%d","terminal_id":"%d","amount":%.2f,"time":"DAYT12:00:%02dZ"}',
    run, n, math.random(0, 4999), math.random(0, 9999), math.random() * 100, n % 60))
end
"""
console = Console(highlight=False)


class PeerFault(Exception):
    """A peer that cannot be measured; the message says why."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=4, help="per peer and connections")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="a second per peer and connections")
    parser.add_argument("--output", type=Path, default=Path("var/benchmarks/fraud.json"))
    given = parser.parse_args()
    require_wrk()
    seconds = 1 if given.quick else given.seconds
    rounds: dict[str, list[Metrics]] = {name: [] for name in (*PEERS, OURS)}
    results: dict[str, Any] = {"machine": describe_machine(), "peers": {}, "rounds": rounds}
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        folder = train(home)
        for _ in range(given.rounds):
            for name, found in rounds.items():
                found.append(bench_peer(name, folder, home, seconds))
                results["peers"][name] = median_peer(found)
                keep(results, given.output)
        show(results["peers"])
        results["ours"] = bench_ours(home, seconds, 10 if given.quick else 30)
        keep(results, given.output)
    console.print(f"written to {given.output}")


def train(home: Path) -> Path:
    """A network of the default recipe's size on a small simulation, put into the store."""
    from services.fraud.scoring import store
    from services.fraud.scoring.registry import Registry
    from services.fraud.simulator import simulate
    from services.fraud.training.candidate import make_candidate, prepare_data
    from services.fraud.training.network import Recipe

    folder = home / "model"
    data = prepare_data(simulate(customers=500, terminals=1_500, days=60))
    make_candidate(data, Recipe(updates=500), folder, alerts_per_day=20)
    Registry(home).promote(store.save(folder, home), "benchmark")
    return folder


def command_of(name: str, folder: Path) -> list[str]:
    """What starts a peer, but for its port."""
    if name == OURS:
        serve = ("-m", "bentoml", "serve", "services.fraud.service:FraudDetector", "--port")
        return [sys.executable, *serve]
    return [sys.executable, "-m", "tests.benchmarks.peers.fraud_peers", name, str(folder)]


@contextmanager
def serving(
    name: str, command: Sequence[str], home: Path
) -> Iterator[tuple[int, psutil.Process, float]]:
    """A peer that answers: its port, the process that does, and the seconds it took to start.

    command: to which the port is added.
    """
    port = free_port()
    began = time.perf_counter()
    with (home / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, str(port)],
            env={**os.environ, "TRIPTYCH_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            await_answer(port, process)
            yield port, answerer(process), time.perf_counter() - began
        finally:
            end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a server and all that it has started, which may have ended by itself."""
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal_number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=60)
            return


def await_answer(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait for the first answer to a transaction.

    Raises: PeerFault: it ended, or took too long.
    """
    deadline = time.monotonic() + START_S
    while process.poll() is None:
        if time.monotonic() > deadline:
            raise PeerFault(f"it gave no answer in {START_S:.0f} s")
        try:
            post(port, "/detect_fraud", BODY.encode(), "application/json")
            return
        except (OSError, HTTPException):
            time.sleep(0.05)
    raise PeerFault(f"it ended with {process.returncode} before it answered")


def answerer(process: subprocess.Popen[bytes]) -> psutil.Process:
    """The process that holds the model: of a family, the largest."""
    family = psutil.Process(process.pid)
    return max([family, *family.children(recursive=True)], key=lambda p: p.memory_info().rss)


def post(port: int, path: str, body: bytes, media_type: str) -> bytes:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", body, {"Content-Type": media_type}
    )
    with urllib.request.urlopen(request, timeout=START_S) as answer:
        content: bytes = answer.read()
    return content


def bench_peer(name: str, folder: Path, home: Path, seconds: int) -> Metrics:
    """What a peer does under each load; or what kept it from being measured."""
    try:
        with serving(name, command_of(name, folder), home) as (port, process, ready_s):
            url = f"http://127.0.0.1:{port}/detect_fraud"
            wrk(url, DETECT, 8, 1)  # warm
            loads = [wrk(url, DETECT, connections, seconds) for connections in CONNECTIONS]
            memory = memory_mb(process.pid)
    except PeerFault as fault:
        console.print(f"{name}: {NO_ANSWER}: {fault}")
        return {"fault": str(fault), "loads": [], "memory_mb": None, "ready_s": None}
    for load in loads:
        say(name, load)
    console.print(f"{name}: {format_metric(memory, '.0f')} MB, ready in {ready_s:.1f} s")
    return {"ready_s": ready_s, "memory_mb": memory, "loads": [asdict(load) for load in loads]}


def say(name: str, load: Load) -> None:
    told = format_load(asdict(load))
    console.print(f"{name}, {load.connections}: {told}/s, {load.errors} errors")


def bench_ours(home: Path, seconds: int, rush_s: int) -> Metrics:
    """What only the service does."""
    day = write_history(home)
    try:
        with serving(OURS, command_of(OURS, home), home) as (port, process, ready_s):
            console.print(f"with a history: ready in {ready_s:.1f} s")
            found = loads_of_ours(port, day, seconds, rush_s)
            memory = memory_mb(process.pid)
            console.print(f"worker: {format_metric(memory, '.0f')} MB")
            return {**found, "memory_mb": memory, "ready_with_history_s": ready_s}
    except PeerFault as fault:
        console.print(f"with a history: {NO_ANSWER}: {fault}")
        return {"fault": str(fault)}


def loads_of_ours(port: int, day: date, seconds: int, rush_s: int) -> Metrics:
    """Raw transactions, a batch, and more connections than it takes."""
    url = f"http://127.0.0.1:{port}/score_transaction"
    script = SCORE.replace("DAY", day.isoformat())
    scores = [wrk(url, script, connections, seconds) for connections in (1, 8, 32)]
    for load in scores:
        say("/score_transaction", load)
    batch = bench_batch(port)
    console.print(f"/score_batch, Arrow: {format_metric(batch, ',.0f')} rows/s")
    crowd = rush("127.0.0.1", port, "/detect_fraud", BODY.encode(), 500, rush_s)
    console.print(f"500 connections for {rush_s} s: {crowd}")
    return {
        "score_transaction": [asdict(load) for load in scores],
        "score_batch_rows_per_second": batch,
        "rush": asdict(crowd),
    }


def write_history(home: Path) -> date:
    """A snapshot of 38 days of the published size; the day after it."""
    from services.fraud.simulator import simulate
    from services.fraud.state.snapshot import write_snapshot

    today = date.today()
    table = simulate(days=38, start=today - timedelta(days=38))
    write_snapshot(table, int(table["time"].max()), home)
    return today - timedelta(days=1)


def bench_batch(port: int, rows: int = 100_000, times: int = 5) -> float | None:
    """Rows per second of Arrow bodies, from the request to the answer that has been read.

    The best of several; None if none was answered.
    """
    import pyarrow as pa

    from services.fraud.transactions.features import FEATURES

    random = np.random.default_rng(0)
    features = np.tile(np.array(ROW, float), (rows, 1))
    amounts = [0, 4, 6, 8]  # counts, shares and flags stay such as can be together
    features[:, amounts] = np.abs(random.normal(features[:, amounts], 1.0))
    table = pa.table({name: features[:, i] for i, name in enumerate(FEATURES)})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    body, best = sink.getvalue(), 0.0
    for _ in range(times):
        began = time.perf_counter()
        try:
            answer = post(port, "/score_batch", body, "application/vnd.apache.arrow.stream")
        except (OSError, HTTPException) as error:
            console.print(f"/score_batch: {error}")
            continue
        assert pa.ipc.open_stream(answer).read_all().num_rows == rows
        best = max(best, rows / (time.perf_counter() - began))
    return best or None


def show(peers: dict[str, Metrics]) -> None:
    """A table of all, and what the others are to ours."""
    console.print(table_of(peers, CONNECTIONS))
    for name in peers:
        told = ", ".join(ratios(peers, OURS, name, len(CONNECTIONS)))
        console.print(f"requests per second, {OURS} : {name} = {told}")


if __name__ == "__main__":
    main()
