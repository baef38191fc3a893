"""Promises of the fleet's server: releases out, telemetry in, each up to a ceiling."""

import asyncio
import contextlib
import errno
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import uvicorn
from edge_detector.telemetry.delivery import open_delivery
from edge_detector.telemetry.interval import Sample
from edge_detector.telemetry.telemetry import Telemetry
from starlette.testclient import TestClient

from edge.fleet.database import Database
from edge.fleet.http.metrics import FleetMetrics
from edge.fleet.http.web import Ceilings, ReleaseFiles, build, device_key, is_allowed
from edge.fleet.load import load
from edge.fleet.server import PatientProtocol, main
from tests.edge.fleet.records import NOON, a_record, line

ROOT = Path(__file__).parents[3]
KEY = "a key of the server 1"
OTHER = "a key of the server 2"


def client(tmp_path: Path, *, host: str = "127.0.0.1", **options) -> TestClient:
    app = build(tmp_path / "releases", tmp_path / "inbox", now=lambda: NOON, **options)
    return TestClient(app, client=(host, 1234), follow_redirects=False)


def inbox_files(tmp_path: Path) -> list[Path]:
    return sorted(path for path in (tmp_path / "inbox").rglob("*") if path.is_file())


def test_telemetry_is_put_into_the_devices_folder(tmp_path):
    """As it came; the answer says how many lines there were."""
    body = line(a_record(1)) + line(a_record(2))
    answer = client(tmp_path).post("/telemetry/camera-7", content=body)

    assert (answer.status_code, answer.json()) == (200, {"received": 2})
    (file,) = inbox_files(tmp_path)
    assert file.parent.name == "camera-7" and file.suffix == ".jsonl"
    assert file.read_bytes() == body


def test_without_keys_only_this_machine_is_answered(tmp_path):
    """A server that was started without thought is open to nobody else."""
    content = line(a_record(1))

    assert client(tmp_path).post("/telemetry/a", content=content).status_code == 200
    refused = client(tmp_path, host="192.0.2.7").post("/telemetry/a", content=content)
    assert refused.status_code == 401
    assert "TRIPTYCH_FLEET_KEYS" in refused.json()["error"]


@pytest.mark.parametrize(
    "page",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://evil.example", "Host": "evil.example:8080"},  # its name now leads here
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_web_page_reports_for_no_device(tmp_path, page):
    """One that somebody visits on the server's machine, by a request that asks nobody first."""
    asked = client(tmp_path)
    content = line(a_record(1))
    refused = asked.post(
        "/telemetry/a", content=content, headers={**page, "Content-Type": "text/plain"}
    )
    preflight = asked.options(
        "/telemetry/a", headers={**page, "Access-Control-Request-Method": "POST"}
    )
    answers = (refused, preflight, asked.get("/health", headers=page))
    assert [answer.status_code for answer in answers] == [403, 405, 200]
    assert not any("access-control-allow-origin" in answer.headers for answer in answers)
    assert inbox_files(tmp_path) == []


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (KEY, 200),
        (OTHER, 200),
        (device_key(KEY, "camera-7"), 200),
        (device_key(OTHER, "camera-7"), 200),
        (device_key(KEY, "camera-8"), 401),
        (device_key("a key of another server", "camera-7"), 401),
        ("", 401),
        (KEY[:-1], 401),
    ],
)
def test_key_opens_the_folders_it_is_for(tmp_path, given, status):
    """A server's key opens all of them, a device's key its own: a stolen one harms one device."""
    asked = client(tmp_path, keys=(KEY, OTHER))
    content = line(a_record(1))
    bearer = asked.post(
        "/telemetry/camera-7", content=content, headers={"Authorization": f"Bearer {given}"}
    )
    header = asked.post("/telemetry/camera-7", content=content, headers={"X-API-Key": given})

    assert bearer.status_code == header.status_code == status
    if status == 401:
        assert inbox_files(tmp_path) == []
    assert asked.post("/telemetry/camera-7", content=content).status_code == 401


def test_key_of_any_bytes_is_only_wrong(tmp_path):
    """Nothing that a header can hold makes the comparison fail."""
    assert not is_allowed("\udcff\x00ä", "camera-7", (KEY,))


@pytest.mark.parametrize(
    "device",
    ["..", "%2e%2e", "..%2f..%2fetc", "a%2fb", ".hidden", "a%00", "x" * 65, "%0a", "%C3%BC"],
)
def test_device_id_leads_nowhere_else(tmp_path, device):
    """Neither out of the inbox, nor into a hidden file."""
    answer = client(tmp_path).post(f"/telemetry/{device}", content=line(a_record(1)))

    assert answer.status_code in (400, 404, 405)
    assert inbox_files(tmp_path) == []
    assert not list(tmp_path.rglob("*.jsonl"))


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"", {}, 400),
        (b"no end of line", {}, 400),
        (b"x" * 2_000 + b"\n", {}, 413),
        (b"{}\n", {"Content-Encoding": "gzip"}, 415),
        (b"{}\n", {"Content-Encoding": "identity, gzip"}, 415),
    ],
)
def test_body_that_is_no_batch_is_refused(tmp_path, content, headers, status):
    """With a word to the device, and nothing on disk."""
    asked = client(tmp_path, ceilings=Ceilings(body_bytes=1_000))
    answer = asked.post("/telemetry/a", content=content, headers=headers)

    assert answer.status_code == status
    assert answer.json()["error"]
    assert inbox_files(tmp_path) == []


@pytest.mark.parametrize("coding", ["identity", "Identity", "IDENTITY", "identity, identity"])
def test_body_that_says_that_it_is_not_packed_is_taken(tmp_path, coding):
    """Names of codings are read in any case, as HTTP has it."""
    asked = client(tmp_path).post(
        "/telemetry/a", content=line(a_record(1)), headers={"Content-Encoding": coding}
    )

    assert asked.is_success and len(inbox_files(tmp_path)) == 1


@pytest.mark.parametrize(
    ("ceilings", "status"),
    [
        (Ceilings(waiting_files=2), 429),
        (Ceilings(devices=1), 429),
        (Ceilings(free_bytes=10**18), 507),
    ],
)
def test_full_inbox_asks_to_come_later(tmp_path, ceilings, status):
    """The device keeps its records; none of these answers makes it drop them."""
    asked = client(tmp_path, ceilings=ceilings)
    answers = [
        asked.post(f"/telemetry/{device}", content=line(a_record(n)))
        for n, device in enumerate(["a", "a", "a", "b"], 1)
    ]

    refused = [answer for answer in answers if answer.status_code == status]
    assert refused and all(answer.headers["Retry-After"] for answer in refused)


def test_releases_are_handed_out_and_nothing_else(tmp_path):
    """The repository's two folders; no key, no hidden file, nothing above, no list."""
    releases = tmp_path / "releases"
    for name in (
        *("metadata/timestamp.json", "metadata/7.root.json", "metadata/.timestamp.json.new"),
        *(f"targets/parts/1.0.0/{'ab' * 32}.model.tflite", "keys/root", "publisher.lock"),
    ):
        (releases / name).parent.mkdir(parents=True, exist_ok=True)
        (releases / name).write_text(name)
    (releases / "metadata" / "link.json").symlink_to(tmp_path / "secret")
    (tmp_path / "secret").write_text("secret")
    asked = client(tmp_path, host="192.0.2.7")  # signed, and for anybody

    newest = asked.get("/releases/metadata/timestamp.json")
    assert (newest.status_code, newest.headers["Cache-Control"]) == (200, "no-cache")
    for fixed in ("metadata/7.root.json", f"targets/parts/1.0.0/{'ab' * 32}.model.tflite"):
        answer = asked.get(f"/releases/{fixed}")
        assert answer.text == fixed
        assert "immutable" in answer.headers["Cache-Control"]
    for path in (
        *("", "metadata/", "metadata", "keys/root", "publisher.lock", "metadata/link.json"),
        *("metadata/.timestamp.json.new", "metadata/%2e%2e/%2e%2e/secret", "metadata/absent.json"),
    ):
        answer = asked.get(f"/releases/{path}")
        assert answer.status_code == 404, path
        assert "secret" not in answer.text
    assert asked.put("/releases/metadata/timestamp.json", content=b"x").status_code == 405
    assert asked.get("/telemetry/a").status_code == 405


def test_folder_of_releases_that_is_missing_is_said_and_handed_out_once_it_is_there(tmp_path):
    """Nothing is published yet, or a disk is not mounted: devices come later."""
    asked, path = client(tmp_path), "/releases/metadata/timestamp.json"
    releases = tmp_path / "releases"
    for _ in range(2):
        answer = asked.get(path)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "600")
        assert answer.json() == {"error": "the folder of releases is missing"}
    assert asked.get("/health").status_code == 200
    (releases / "metadata").mkdir(parents=True)
    assert asked.get(path).status_code == 404
    (releases / "metadata" / "timestamp.json").write_text("{}")
    assert asked.get(path).text == "{}"
    releases.rename(tmp_path / "away")
    assert asked.get(path).status_code == 503


@pytest.mark.parametrize("error", [PermissionError(errno.EACCES, "no"), OSError(errno.EIO, "no")])
def test_disk_that_refuses_is_no_fault_of_the_caller(tmp_path, monkeypatch, error):
    """Neither unauthorised nor a fault of the program."""

    def refuse(*_: object) -> None:
        raise error

    (tmp_path / "releases").mkdir()
    monkeypatch.setattr(ReleaseFiles, "lookup_path", refuse)
    monkeypatch.setattr(FleetMetrics, "render", refuse)
    asked = client(tmp_path)
    answers = [asked.get("/releases/metadata/timestamp.json"), asked.get("/metrics")]
    assert [answer.status_code for answer in answers] == [503, 503]
    assert answers[0].json() == {"error": "the releases cannot be read"}
    assert "disk" in answers[1].json()["error"]


def test_repository_elsewhere_is_not_handed_out(tmp_path):
    """One in a bucket has an address of its own."""
    app = build(None, tmp_path / "inbox")

    assert TestClient(app).get("/releases/metadata/timestamp.json").status_code == 404
    assert TestClient(app).get("/health").json() == {"status": "ok"}


@pytest.fixture
def server(tmp_path):
    """A real server on a free port: its address. Ended by SIGTERM, with status 0."""
    process = subprocess.Popen(
        [sys.executable, "-m", "edge.fleet.server", "--port", "0"],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "TRIPTYCH_HOME": str(tmp_path),
            "TRIPTYCH_FLEET_KEYS": KEY,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        said = process.stdout.readline()
        found = re.match(r"(http://127\.0\.0\.1:\d+)/releases", said)
        assert found, said + process.stdout.read()
        yield found[1]
    finally:
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=30)
    assert (process.returncode in (0, -signal.SIGTERM), rest) == (True, "")


def test_device_reports_through_a_real_server_into_sql(server, tmp_path):
    """The device's own package, HTTP, the inbox, and the database: nothing lost on the way."""
    key = device_key(KEY, "camera-7")
    address = f"{server}/telemetry"
    with Telemetry(open_delivery(address, key), tmp_path / "device", "camera-7", 60) as telemetry:
        telemetry.frame(Sample({"total": 12.0, "infer": 8.0}, ["bolt", "bolt"]))
    assert httpx.post(f"{address}/camera-7", content=b"{}\n").status_code == 401

    database = Database(f"sqlite:///{tmp_path / 'fleet.db'}")
    database.prepare()
    loaded = load(database, tmp_path / "telemetry", datetime.now(UTC))
    assert (loaded.records, loaded.rejected, loaded.devices) == (1, 0, {"camera-7"})


def test_caller_without_end_is_cut_off(server):
    """A head without end is refused at its ceiling; the others are answered meanwhile."""
    host, port = server.removeprefix("http://").split(":")
    caller = socket.create_connection((host, int(port)), timeout=20)
    with caller, contextlib.suppress(ConnectionError):  # as soon as it hangs up
        caller.sendall(b"GET /health HTTP/1.1\r\nX: ")
        for _ in range(200):
            caller.sendall(b"x" * 4_096)
            time.sleep(0.001)
        while caller.recv(4_096):
            pass
    assert httpx.get(f"{server}/health").status_code == 200


@pytest.mark.parametrize("asks", ["one large file", "many files at once"])
def test_reader_who_does_not_read_is_cut_off(asks, tmp_path, monkeypatch):
    """His place is free again; whoever reads gets the file whole."""
    monkeypatch.setattr("edge.fleet.server.SLOW_S", 0.5)
    releases = tmp_path / "releases"
    (releases / "targets").mkdir(parents=True)
    content = os.urandom(2**20) * (16 if asks == "one large file" else 1)
    (releases / "targets" / "model").write_bytes(content)
    app = build(releases, tmp_path / "inbox")
    served = uvicorn.Server(
        uvicorn.Config(app, port=0, http=PatientProtocol, lifespan="off", log_level="error")
    )
    thread = threading.Thread(target=served.run)
    thread.start()
    try:
        wait_until(lambda: served.started)
        port = served.servers[0].sockets[0].getsockname()[1]
        with socket.socket() as caller:
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            caller.connect(("127.0.0.1", port))
            request = b"GET /releases/targets/model HTTP/1.1\r\nHost: x\r\n\r\n"
            caller.sendall(request * (1 if asks == "one large file" else 30))
            wait_until(lambda: served.server_state.connections)
            wait_until(lambda: not served.server_state.connections)
        answer = httpx.get(f"http://127.0.0.1:{port}/releases/targets/model", timeout=60)
        assert answer.content == content
    finally:
        served.should_exit = True
        thread.join(30)


def test_closed_connection_does_not_wait_for_its_reader(monkeypatch):
    """What is left of an answer has a deadline too: the next look but one ends it."""
    monkeypatch.setattr("edge.fleet.server.SLOW_S", 0.01)

    class Unread(asyncio.Transport):
        closing = False
        aborted = False

        def is_closing(self) -> bool:
            return self.closing

        def abort(self) -> None:
            self.aborted = True

        def get_extra_info(self, name: str, default: object = None) -> object:
            return default

    async def wait(*, closing: bool) -> bool:
        config = uvicorn.Config(build(None, Path("inbox")), lifespan="off")
        config.load()
        protocol = PatientProtocol(config, uvicorn.server.ServerState(), {})
        transport = Unread()
        protocol.connection_made(transport)
        transport.closing = closing
        await asyncio.sleep(0.2)
        aborted = transport.aborted
        transport.closing = True
        await asyncio.sleep(0.2)
        assert transport.aborted
        return aborted

    assert asyncio.run(wait(closing=True))
    assert not asyncio.run(wait(closing=False))


def wait_until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (["--port", "99999"], {}, "use 0 to 65535"),
        (["--key-for", "a"], {}, "TRIPTYCH_FLEET_KEYS is not set"),
        (["--key-for", "a/b"], {"TRIPTYCH_FLEET_KEYS": KEY}, "letters, digits"),
        (["--key-for", "a"], {"TRIPTYCH_API_KEYS": KEY}, "TRIPTYCH_FLEET_KEYS is not set"),
        ([], {"TRIPTYCH_FLEET_KEYS": "short"}, "at least 16 characters"),
    ],
)
def test_wrong_arguments_are_answered_in_one_line(
    arguments, environment, words, monkeypatch, capsys
):
    """With status 2, and without the key."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1 and "'short'" not in said


def test_key_of_a_device_is_printed(monkeypatch, capsys):
    """It is the one that the server takes from that device."""
    monkeypatch.setenv("TRIPTYCH_FLEET_KEYS", f"{KEY},{OTHER}")

    assert main(["--key-for", "camera-7"]) == 0
    key = capsys.readouterr().out.strip()
    assert re.fullmatch(r"[0-9a-f]{40}", key)
    assert is_allowed(key, "camera-7", (KEY,)) and not is_allowed(key, "camera-8", (KEY,))
