"""The service as BentoML serves it: two workers, a real client, and what may happen to them."""

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from services.fraud.scoring import store
from services.fraud.scoring.registry import Registry
from services.fraud.scoring.scorer import FraudScorer
from services.modelling.keras import open_keras
from tests.services.fraud.load import Load
from tests.services.fraud.running import GENUINE, ROOT, promoted, rows, served, wait_until

pytestmark = pytest.mark.slow

APART = ("unshare", "--pid", "--fork", "--kill-child")  # as in a container of its own
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def home(tmp_path_factory, model_folder):
    home = tmp_path_factory.mktemp("service") / "home"
    promoted(model_folder, home)
    return home


@pytest.fixture(scope="module")
def server(home):
    with served(home, TRIPTYCH_FRAUD_WORKERS="2") as (url, process):
        yield url, process


def workers(process):
    """The processes that answer."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it may be ending
            if "_bentoml_impl.worker.service" in child.cmdline():
                found.append(child)
    return found


@dataclass
class FirstLife:
    """What a server said that began without a model beside another one, and was terminated."""

    figures: str
    figures_beside: str
    status_without_a_model: int
    readiness: dict[str, Any]
    load: Load
    log: Path
    logged: int


@pytest.fixture(scope="module")
def first_life(server, tmp_path_factory, model_folder):
    """See FirstLife."""
    other = tmp_path_factory.mktemp("first") / "home"
    log, beside = other / "serve.log", server[0]
    httpx.post(f"{beside}/detect_fraud", json={"transaction_data": GENUINE}).raise_for_status()
    with served(other, ready=False) as (url, process):
        wait_until(lambda: told(log, "[ERROR]", "503", "python -m flows.train_fraud"))
        status = httpx.get(f"{url}/readyz").status_code
        figures, figures_beside = (httpx.get(f"{each}/metrics").text for each in (url, beside))
        promoted(model_folder, other)
        wait_until(partial(told, log, "[INFO]", "champion:", "answers from now on"))
        promoted(model_folder, other)
        wait_until(partial(told, log, "[INFO]", "champion:", "instead of"))
        Registry(other).promote("fraud_detector:gone", "by mistake")
        wait_until(partial(told, log, "[ERROR]", "no model fraud_detector:gone"))
        readiness = httpx.get(f"{url}/readyz").json()
        load = Load(url, 8)

        def end():
            wait_until(lambda: load.statuses[200] > 200)
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)
            load.stop = True

        asyncio.run(load.during(end))
    [(logged,)] = rows(other, "SELECT count(*) FROM fraud_predictions")
    return FirstLife(figures, figures_beside, status, readiness, load, log, logged)


def told(log, *parts):
    """The lines of a log that have all parts."""
    return [line for line in log.read_text().splitlines() if all(part in line for part in parts)]


@dataclass
class LastLife:
    """What a server did whose predecessor had been killed with its workers, and then alone."""

    same_request: tuple[httpx.Response, httpx.Response]  # to the predecessor, and to this one
    workers: int
    answer_in_hand: bytes
    left: list[psutil.Process]
    address: tuple[str, int]
    logged: int  # of what it had in hand


@pytest.fixture(scope="module")
def last_life(tmp_path_factory, model_folder):
    """See LastLife."""
    home = tmp_path_factory.mktemp("killed") / "home"
    promoted(model_folder, home)
    transaction = {
        "transaction_id": "before",
        "customer_id": "c-1",
        "terminal_id": "m-1",
        "amount": 10.0,
        "time": "2026-11-20T09:30:00Z",
    }
    with served(home) as (url, process):
        first = httpx.post(f"{url}/score_transaction", json=transaction)
        for worker in [*workers(process), psutil.Process(process.pid)]:
            worker.kill()
        process.wait()
    body = b'{"transaction_data": ' + str(GENUINE).encode() + b"}"
    head = (
        b"POST /detect_fraud HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json"
        b"\r\nContent-Length: %d\r\n\r\n" % len(body)
    )
    with served(home, TRIPTYCH_FRAUD_WORKERS="2") as (url, process):
        again = httpx.post(f"{url}/score_transaction", json=transaction)
        host, port = url.removeprefix("http://").split(":")
        family = psutil.Process(process.pid).children(recursive=True)
        count = len(workers(process))
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            connection.sendall(head + body[:10])
            time.sleep(0.2)  # for a worker to take it
            process.kill()
            wait_until(lambda: len(told(home / "serve.log", "has ended")) == 2)
            connection.sendall(body[10:])
            answer = connection.recv(100)
        _, left = psutil.wait_procs(family, timeout=30)
    detected = "SELECT count(*) FROM fraud_predictions WHERE endpoint = '/detect_fraud'"
    [(logged,)] = rows(home, detected)
    return LastLife((first, again), count, answer, left, (host, int(port)), logged)


def test_page_figures_and_document_are_served(server):
    """The page to try it, metrics with buckets below a millisecond, and the document."""
    url, _ = server
    httpx.post(f"{url}/detect_fraud", json={"transaction_data": GENUINE}).raise_for_status()

    assert "<html" in httpx.get(f"{url}/").text
    figures = httpx.get(f"{url}/metrics").text
    assert 'fraud_request_seconds_bucket{endpoint="/detect_fraud",le="0.0001"' in figures
    assert "/detect_fraud" in httpx.get(f"{url}/docs.json").json()["paths"]


def allowed(before):
    """Whether a command that runs another one does so here."""
    try:
        return subprocess.run([*before, "true"], capture_output=True).returncode == 0
    except OSError:
        return False


def test_every_example_of_the_document_works_at_once(server):
    """As the page's button sends it."""
    url, _ = server
    for path, operations in httpx.get(f"{url}/docs.json").json()["paths"].items():
        if "post" not in operations:
            continue
        content = operations["post"]["requestBody"]["content"]["application/json"]
        for example in content["examples"].values():
            headers = {"origin": url}
            answer = httpx.post(f"{url}{path}", json=example["value"], headers=headers)
            assert answer.status_code == 200, answer.text


def test_page_of_another_name_is_not_answered(server):
    """Its name may point to this machine: it reads nothing, and writes no label."""
    url, _ = server
    labels = {"labels": [{"transaction_id": "a-1", "is_fraud": False}]}
    foreign = {"host": f"evil.example:{url.rpartition(':')[2]}"}

    assert httpx.get(f"{url}/metrics", headers=foreign).status_code == 403
    assert httpx.post(f"{url}/labels", json=labels, headers=foreign).status_code == 403
    assert httpx.post(f"{url}/labels", json=labels).status_code == 200


def test_second_server_leaves_the_figures_of_the_first(first_life):
    """Two services on one machine count for themselves."""
    series = 'fraud_answers_total{endpoint="/detect_fraud",status="200"}'
    assert series in first_life.figures_beside
    assert series not in first_life.figures


@pytest.mark.parametrize("before", [(), APART], ids=["beside it", "in another namespace"])
def test_second_server_on_one_home_leaves_the_figures_of_the_first(server, home, before):
    """Two containers with one volume, say: each counts its own, and deletes nobody's."""
    if before and not allowed(before):
        pytest.skip("no namespaces are allowed here")
    url, _ = server
    httpx.post(f"{url}/detect_fraud", json={"transaction_data": GENUINE}).raise_for_status()
    series = re.compile(r'^fraud_answers_total{endpoint="/detect_fraud",status="200"} (\S+)$', re.M)
    [counted] = series.findall(httpx.get(f"{url}/metrics").text)
    with served(home, log="second.log", before=before) as (second, _):
        theirs = httpx.get(f"{second}/metrics").text
        mine = httpx.get(f"{url}/metrics").text
    httpx.post(f"{url}/detect_fraud", json={"transaction_data": GENUINE}).raise_for_status()
    after = httpx.get(f"{url}/metrics").text

    assert not series.findall(theirs)
    assert series.findall(mine) == [counted]
    assert series.findall(after) == [str(float(counted) + 1)]


def test_figures_need_no_more_of_the_disk_once_they_are_kept(server, home):
    """A disk that fills up ends no worker: what the figures are mapped to has its blocks."""
    files = [file.stat() for file in (home / "fraud" / "metrics").rglob("*.db")]
    assert files
    assert all(file.st_blocks * 512 >= file.st_size for file in files)


@pytest.mark.parametrize(("size", "status"), [(65_536, b"200"), (65_537, b"431")])
def test_head_in_one_packet_is_limited_to_the_byte(server, size, status):
    """64 KiB are answered, one byte more is not."""
    url, _ = server
    host, port = url.removeprefix("http://").split(":")
    bare = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Long: \r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(bare.replace(b"Long: ", b"Long: " + b"a" * (size - len(bare))))
        assert connection.recv(100).startswith(b"HTTP/1.1 " + status)


def test_head_of_a_request_is_limited_in_size(server):
    """Headers without end are refused, and not kept in memory."""
    url, _ = server
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Long: ")
        with contextlib.suppress(ConnectionError):
            for _ in range(50):
                connection.sendall(b"a" * 10_000)
        assert connection.recv(100).startswith(b"HTTP/1.1 431 ")


def test_worker_loads_neither_tensorflow_nor_keras(server):
    """A worker answers by LiteRT alone, within 400 MB."""
    _, process = server

    def runs_litert(worker):
        return any("ai_edge_litert" in found.path for found in worker.memory_maps())

    for worker in workers(process):
        wait_until(partial(runs_litert, worker))  # the other one may have said that it is ready
        assert not [found for found in worker.memory_maps() if "/tensorflow/" in found.path]
        assert worker.memory_info().rss < 400e6


def test_workers_see_what_another_one_took(server, home):
    """Of one customer's transactions, over new connections, each counts all before it."""
    url, _ = server
    for number in range(30):
        httpx.post(  # a connection each: the workers share them out
            f"{url}/score_transaction",
            json={
                "transaction_id": f"shared-{number}",
                "customer_id": "shared",
                "terminal_id": "m-1",
                "amount": 10.0,
                "time": "2026-11-20T09:30:00Z",
            },
        ).raise_for_status()

    query = (
        "SELECT customer_id_nb_tx_1day_window FROM fraud_predictions WHERE customer_id = 'shared'"
    )
    wait_until(lambda: len(rows(home, query)) == 30)
    assert sorted(count for (count,) in rows(home, query)) == list(range(1, 31))


def only(load, model, since):
    """Whether the last of the answers since then are all of one model."""
    return set(load.models[since:][-200:]) == {model}


def test_new_champion_and_rollback_drop_no_request(server, home, model_folder):
    """Under 32 connections a promotion and a rollback are taken up within seconds, unnoticed."""
    url, _ = server
    registry, load = Registry(home), Load(url, 32)
    before = registry.read().champion
    candidate = store.save(model_folder, home)

    def story():
        for change, expected in (
            (lambda: registry.promote(candidate, "better"), candidate),
            (registry.rollback, before),
        ):
            change()
            wait_until(partial(only, load, expected, since=len(load.models)), 30)

    asyncio.run(load.during(story))

    assert not load.errors
    assert set(load.statuses) == {200}
    assert set(load.models) == {before, candidate}


def test_candidate_in_the_shadow_is_logged_and_not_heard(server, home, model_folder):
    """It scores the same requests; answers name the champion."""
    url, _ = server
    candidate = store.save(model_folder, home)
    champion = Registry(home).shadow(candidate).champion

    def both_know():
        answers = [httpx.get(f"{url}/readyz").json()["shadow"] for _ in range(10)]
        return set(answers) == {candidate}

    wait_until(both_know)
    answer = httpx.post(f"{url}/detect_fraud", json={"transaction_data": GENUINE}).json()
    query = (
        "SELECT model, shadow_model, probability, shadow_probability FROM fraud_predictions"
        f" WHERE request_id = '{answer['request_id']}'"
    )
    wait_until(lambda: rows(home, query))
    Registry(home).shadow(None)

    [(model, shadow, probability, shadow_probability)] = rows(home, query)
    assert (answer["model"], model, shadow) == (champion, champion, candidate)
    assert shadow_probability == pytest.approx(probability, abs=1e-6)  # the same weights


def test_damaged_candidate_leaves_the_champion_in_place(server, home, model_folder):
    """A model whose files are not those saved is not taken up, and the figures say so."""
    url, _ = server
    registry = Registry(home)
    before = registry.read().champion
    candidate = store.save(model_folder, home)
    (store.folder(candidate, home) / "model.tflite").write_bytes(b"damaged")
    registry.promote(candidate, "by mistake")

    def reported():
        figures = httpx.get(f"{url}/metrics").text
        found = re.search(r"^fraud_model_swap_failures_total (\S+)$", figures, re.M)
        return found is not None and float(found[1]) >= 2  # each worker tried once

    wait_until(reported)
    answer = httpx.post(f"{url}/detect_fraud", json={"transaction_data": GENUINE}).json()
    registry.rollback()

    assert answer["model"] == before


def test_killed_worker_comes_back_and_the_others_answer(server):
    """kill -9 of one of two under load: requests go on, and the server starts another one."""
    url, process = server
    load = Load(url, 8)
    victim = workers(process)[0]

    def story():
        time.sleep(0.3)
        victim.kill()
        seen = load.statuses[200]
        wait_until(lambda: load.statuses[200] > seen + 100)
        wait_until(lambda: len(workers(process)) == 2 and victim.pid not in pids(process), 40)

    asyncio.run(load.during(story))

    assert set(load.statuses) == {200}
    assert sum(load.errors.values()) <= 8  # the requests that the killed one had in hand
    wait_until(lambda: httpx.get(f"{url}/readyz").is_success)


def pids(process):
    return {worker.pid for worker in workers(process)}


def test_termination_answers_and_logs_what_is_in_hand(first_life):
    """On SIGTERM no request is cut off half-way, and each answer given is in the log."""
    load = first_life.load
    assert set(load.statuses) == {200}
    assert set(load.errors) <= {"ConnectError", "ReadError", "RemoteProtocolError"}
    assert first_life.logged == load.statuses[200]


def test_probabilities_agree_in_all_forms(server, home, transactions):
    """Keras, LiteRT and the service say the same of 10,000 transactions, within 1e-5."""
    import numpy as np
    import pyarrow as pa

    from services.fraud.transactions.features import FEATURES, table_features

    url, _ = server
    features = np.resize(table_features(transactions), (10_000, len(FEATURES))).astype(np.float32)
    folder = store.folder(Registry(home).read().champion or "", home)
    network = open_keras().models.load_model(folder / "model.keras")
    by_keras = network.predict(features, verbose=0)[:, 0]
    scorer = FraudScorer(folder, "any")
    by_litert = np.array([scorer.probability(row) for row in features.tolist()])
    sink = pa.BufferOutputStream()
    table = pa.table({name: features[:, place] for place, name in enumerate(FEATURES)})
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    answer = httpx.post(
        f"{url}/score_batch",
        content=sink.getvalue().to_pybytes(),
        headers={"content-type": "application/vnd.apache.arrow.stream"},
    )
    by_service = pa.ipc.open_stream(answer.content).read_all()["probability"].to_numpy()

    assert np.abs(by_keras - by_litert).max() <= 1e-5
    assert np.abs(by_keras - by_service).max() <= 1e-5


def test_every_request_that_the_document_allows_is_answered_as_documented(server, tmp_path):
    """schemathesis finds no 5xx, no undocumented status or type, and no wrong shape."""
    url, _ = server
    process = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{url}/docs.json"),
            *("--max-examples", "50", "--seed", "7", "--no-color"),
            # What OpenAPI cannot say of a time or of decimals is refused all the same.
            *("--exclude-checks", "positive_data_acceptance"),
        ],
        cwd=tmp_path,  # where it keeps what it has found
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert process.returncode == 0, process.stdout[-6_000:] + process.stderr[-2_000:]


def test_state_survives_a_restart(last_life):
    """What was answered before is known after, also to a server that was killed."""
    first, again = last_life.same_request
    assert first.is_success and first.content == again.content


def test_taken_port_is_told_in_one_line(server, tmp_path):
    """Which one, and what to do; no traceback, and nothing is left running."""
    url, _ = server
    port = url.rpartition(":")[2]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "bentoml", "serve"),
            *("services.fraud.service:FraudDetector", "--port", port),
        ],
        cwd=ROOT,
        env={**os.environ, "TRIPTYCH_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 1
    [line] = (done.stdout + done.stderr).strip().splitlines()
    assert line.startswith(f"error: port {port} of 127.0.0.1 is taken") and "--port" in line


def test_killed_server_takes_its_workers_with_it(last_life):
    """kill -9 of the parent: what is in hand is answered and logged, and the port is free."""
    assert last_life.workers == 2
    assert last_life.answer_in_hand.startswith(b"HTTP/1.1 200 ")
    assert not last_life.left
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(last_life.address)
    assert last_life.logged == 1


def test_what_happens_to_models_is_told_in_the_log(first_life):
    """None at first, then a champion, another one, and one that cannot be taken up: a line each."""
    assert first_life.status_without_a_model == 503
    assert "fraud_detector:gone" in first_life.readiness["waiting_for"]
    assert len(told(first_life.log, "no model")) == 1 and len(told(first_life.log, "503")) == 1
    assert len(told(first_life.log, "champion:")) == 3
