"""The fraud service beside the original script, FastAPI, bare Starlette and LitServe.

    python -m tests.benchmarks.bench_fraud [--seconds N] [--rounds N] [--quick]

All peers serve the same network on loopback, in turns, and are asked by wrk from 1, 8, 32 and 128
connections; of several rounds the one with the median rate counts, for a shared machine is not
as fast at one moment as at the next. Then the service alone: raw transactions against a state of
5,000 customers and 10,000 terminals, batches as Arrow, and more connections than it takes.
Prints each result as it comes, and writes var/benchmarks/fraud.json.
"""

import argparse
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from tests.benchmarks.fraud_peers import PEERS
from tests.benchmarks.load import Load, free_port, memory_mb, require_wrk, rush, wrk

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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=4, help="per peer and connections")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--output", type=Path, default=Path("var/benchmarks/fraud.json"))
    given = parser.parse_args()
    require_wrk()
    seconds = 2 if given.quick else given.seconds
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        folder = train(home)
        rounds = [
            {name: bench_peer(name, folder, home, seconds) for name in (*PEERS, OURS)}
            for _ in range(1 if given.quick else given.rounds)
        ]
        results: dict[str, Any] = {"peers": {name: middle(name, rounds) for name in rounds[0]}}
        show(results["peers"])
        results["ours"] = bench_ours(home, seconds, 10 if given.quick else 30)
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(json.dumps(results, indent=1))
    console.print(f"written to {given.output}")


def train(home: Path) -> Path:
    """A network of the default recipe's size on a small simulation, put into the store."""
    from services.fraud import store
    from services.fraud.registry import Registry
    from services.fraud.simulator import simulate
    from services.fraud.training.candidate import gather, make_candidate
    from services.fraud.training.network import Recipe

    folder = home / "model"
    material = gather(simulate(customers=500, terminals=1_500, days=60))
    make_candidate(material, Recipe(updates=500), folder, alerts_per_day=20)
    Registry(home).promote(store.save(folder, home), "benchmark")
    return folder


@contextmanager
def serving(name: str, folder: Path, home: Path) -> Iterator[tuple[int, psutil.Process, float]]:
    """A peer that answers: its port, the process that does, and the seconds it took to start."""
    port = free_port()
    command = [sys.executable, "-m", "tests.benchmarks.fraud_peers", name, str(port), str(folder)]
    if name == OURS:
        serve = ("-m", "bentoml", "serve", "services.fraud.service:FraudDetector")
        command = [sys.executable, *serve, "--port", str(port)]
    began = time.perf_counter()
    with (home / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env={**os.environ, "TRIPTYCH_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            await_answer(port, process)
            yield port, answerer(process), time.perf_counter() - began
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=60)


def await_answer(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait for the first answer to a transaction."""
    while process.poll() is None:
        try:
            post(port, "/detect_fraud", BODY.encode(), "application/json")
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    sys.exit(f"a server ended with {process.returncode} before it answered")


def answerer(process: subprocess.Popen[bytes]) -> psutil.Process:
    """The process that holds the model: of a family, the largest."""
    family = psutil.Process(process.pid)
    return max([family, *family.children(recursive=True)], key=lambda p: p.memory_info().rss)


def post(port: int, path: str, body: bytes, media_type: str) -> bytes:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", body, {"Content-Type": media_type}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        content: bytes = answer.read()
    return content


def bench_peer(name: str, folder: Path, home: Path, seconds: int) -> dict[str, Any]:
    with serving(name, folder, home) as (port, process, ready_s):
        url = f"http://127.0.0.1:{port}/detect_fraud"
        wrk(url, DETECT, 8, 1)  # warm
        loads = [wrk(url, DETECT, connections, seconds) for connections in CONNECTIONS]
        memory = memory_mb(process.pid)
    for load in loads:
        say(name, load)
    console.print(f"{name}: {memory:.0f} MB, ready in {ready_s:.1f} s")
    return {"ready_s": ready_s, "memory_mb": memory, "loads": [asdict(load) for load in loads]}


def middle(name: str, rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Of a peer's rounds, for each number of connections the one with the median rate."""
    loads = [
        sorted(same, key=lambda load: load["requests_per_second"])[len(same) // 2]
        for same in zip(*(found[name]["loads"] for found in rounds), strict=True)
    ]
    return {**rounds[0][name], "loads": loads}


def say(name: str, load: Load) -> None:
    console.print(
        f"{name}, {load.connections}: p50 {load.p50_ms:.3f} ms, p99 {load.p99_ms:.2f} ms,"
        f" {load.requests_per_second:,.0f}/s, {load.errors} errors"
    )


def bench_ours(home: Path, seconds: int, rush_s: int) -> dict[str, Any]:
    """What only the service does."""
    day = write_history(home)
    with serving(OURS, home, home) as (port, process, ready_s):
        console.print(f"with a history: ready in {ready_s:.1f} s")
        url = f"http://127.0.0.1:{port}/score_transaction"
        script = SCORE.replace("DAY", day.isoformat())
        scores = [wrk(url, script, connections, seconds) for connections in (1, 8, 32)]
        for load in scores:
            say("/score_transaction", load)
        batch = bench_batch(port)
        console.print(f"/score_batch, Arrow: {batch:,.0f} rows/s")
        crowd = rush("127.0.0.1", port, "/detect_fraud", BODY.encode(), 500, rush_s)
        console.print(f"500 connections for {rush_s} s: {crowd}")
        memory = memory_mb(process.pid)
        console.print(f"worker: {memory:.0f} MB")
    return {
        "score_transaction": [asdict(load) for load in scores],
        "score_batch_rows_per_second": batch,
        "rush": asdict(crowd),
        "memory_mb": memory,
        "ready_with_history_s": ready_s,
    }


def write_history(home: Path) -> date:
    """A snapshot of 38 days of the published size; the day after it."""
    from services.fraud.simulator import simulate
    from services.fraud.snapshot import write_snapshot

    today = date.today()
    table = simulate(days=38, start=today - timedelta(days=38))
    write_snapshot(table, int(table["time"].max()), home)
    return today - timedelta(days=1)


def bench_batch(port: int, rows: int = 100_000, times: int = 5) -> float:
    """Rows per second of Arrow bodies, from the request to the answer that has been read."""
    import pyarrow as pa

    from services.fraud.features import FEATURES

    random = np.random.default_rng(0)
    features = np.abs(random.normal(ROW, 1.0, (rows, len(FEATURES))))
    table = pa.table({name: features[:, i] for i, name in enumerate(FEATURES)})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    body, best = sink.getvalue(), 0.0
    for _ in range(times):
        began = time.perf_counter()
        answer = post(port, "/score_batch", body, "application/vnd.apache.arrow.stream")
        assert pa.ipc.open_stream(answer).read_all().num_rows == rows
        best = max(best, rows / (time.perf_counter() - began))
    return best


def show(peers: dict[str, Any]) -> None:
    """A table of all, and what the others are to ours."""
    table = Table("", *(f"{n}: p50 / p99 ms, req/s" for n in CONNECTIONS), "MB", "ready s")
    for name, found in peers.items():
        cells = [
            f"{load['p50_ms']:.2f} / {load['p99_ms']:.1f}, {load['requests_per_second']:,.0f}"
            for load in found["loads"]
        ]
        table.add_row(name, *cells, f"{found['memory_mb']:.0f}", f"{found['ready_s']:.1f}")
    console.print(table)
    for name in peers:
        ratios = [
            f"{ours['requests_per_second'] / theirs['requests_per_second']:.2f}"
            for ours, theirs in zip(peers[OURS]["loads"], peers[name]["loads"], strict=True)
        ]
        console.print(f"requests per second, {OURS} : {name} = {', '.join(ratios)}")


if __name__ == "__main__":
    main()
