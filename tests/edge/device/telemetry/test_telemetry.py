"""Promises of telemetry: true figures, never in the loop's way, delivered once there is a way."""

import errno
import http.server
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from edge_detector.contract.manifest import (
    Golden,
    InputSpec,
    Lineage,
    Manifest,
    ModelFile,
    OutputSpec,
    Thresholds,
)
from edge_detector.errors import ConfigError, EdgeError
from edge_detector.telemetry.delivery import (
    FolderDelivery,
    HttpDelivery,
    Refused,
    Unsent,
    open_delivery,
    read_key,
)
from edge_detector.telemetry.interval import Interval, Sample
from edge_detector.telemetry.spool import Batch
from edge_detector.telemetry.telemetry import Telemetry

MANIFEST = Manifest(
    name="parts",
    version="1.2.3",
    model=ModelFile(sha256="ab" * 32, size=10, variant="int8"),
    input=InputSpec(height=320, width=320, dtype="int8", mean=0, std=255),
    output=OutputSpec(
        layout="ssd", tensors={"boxes": "a", "classes": "b", "scores": "c", "count": "d"}
    ),
    labels=("bolt", "nut"),
    thresholds=Thresholds(score=0.5, iou=0.5, max_detections=100, per_label={}),
    golden=(Golden(file="golden-0.png", sha256="cd" * 32, size=10, detections=()),),
    measured={},
    lineage=Lineage(
        source_sha256="ef" * 32,
        data_sha256=None,
        code_version="0.1.0",
        published_at="2026-11-23T00:00:00Z",
    ),
)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class FakeDelivery:
    """A collector in memory, which may be out of reach, or refuse."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, Batch]] = []
        self.fault: Exception | None = None
        self.attempts = 0
        self.arrived = threading.Event()

    def send(self, device_id: str, batch: Batch) -> None:
        self.attempts += 1
        if self.fault is not None:
            raise self.fault
        self.batches.append((device_id, batch))
        self.arrived.set()

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for _, batch in self.batches for line in batch.body.splitlines()]


class FakeClock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def delivery() -> FakeDelivery:
    return FakeDelivery()


@pytest.fixture
def telemetry(tmp_path, clock, delivery) -> Telemetry:
    """Without its threads: tests end the intervals, and send."""
    return Telemetry(
        delivery,
        tmp_path,
        "camera-7",
        now=lambda: NOON,
        monotonic=clock,
    )


def test_record_holds_what_happened_in_its_interval(telemetry, clock, delivery):
    """Every field of the format, counted, in the unit that its name says."""
    telemetry.model(MANIFEST, "ai-edge-litert")
    for number in range(300):
        telemetry.frame(
            Sample({"infer": 10.0, "total": 20.0 + number / 100}, ["bolt"] * (number % 3))
        )
    telemetry.count("dropped", 4)
    telemetry.count("reopened")
    clock.seconds += 10
    telemetry.flush()
    telemetry.send_waiting()

    (record,) = delivery.records
    versions = record.pop("versions")
    assert set(versions) == {"python", "opencv", "edge_detector"}
    latency = record.pop("latency_ms")
    assert set(latency) == {"infer", "total"}
    assert latency["infer"]["p50"] == pytest.approx(10, rel=0.01)
    assert latency["infer"]["p99"] == pytest.approx(10, rel=0.01)
    assert latency["total"]["p50"] == pytest.approx(21.5, rel=0.02)
    assert record.pop("temperature_c") is None or True
    assert record == {
        "format": 1,
        "device": "camera-7",
        "seq": 1,
        "at": "2026-11-23T12:00:00.000Z",
        "interval_s": 10.0,
        "frames": 300,
        "fps": 30.0,
        "dropped": 4,
        "reopened": 1,
        "detections": {"bolt": 300},
        "model": {"name": "parts", "version": "1.2.3", "sha256": "ab" * 32},
        "runtime": "ai-edge-litert",
        "state": "ok",
        "offline_s": 10.0,
        "uptime_s": 10.0,
        "lost": 0,
    }
    assert [device for device, _ in delivery.batches] == ["camera-7"]


def test_intervals_do_not_share_their_counts(telemetry, clock, delivery):
    """What was reported is not reported again."""
    telemetry.frame(Sample({"total": 5}, ["nut"]))
    clock.seconds += 1
    telemetry.flush()
    clock.seconds += 2
    telemetry.flush()
    telemetry.send_waiting()

    first, second = delivery.records
    assert (first["frames"], first["detections"]) == (1, {"nut": 1})
    assert (second["frames"], second["detections"], second["latency_ms"]) == (0, {}, {})
    assert (first["seq"], second["seq"]) == (1, 2)
    assert second["interval_s"] == 2.0


def test_record_has_the_worst_state_of_its_interval(telemetry, clock, delivery):
    """A short trouble is not covered by its good end; a lasting one is in every record."""
    telemetry.state("no-frames")
    telemetry.state("ok")
    telemetry.flush()
    telemetry.flush()
    telemetry.state("stuck")
    telemetry.flush()
    telemetry.flush()
    telemetry.send_waiting()

    assert [record["state"] for record in delivery.records] == ["no-frames", "ok", "stuck", "stuck"]
    with pytest.raises(ValueError, match="no-frames"):
        telemetry.state("bored")


def test_percentiles_are_right_to_one_percent():
    """Against numpy, over durations that span four orders of magnitude."""
    rng = np.random.default_rng(0)
    taken = rng.lognormal(2, 1.5, 5_000)
    interval = Interval(0.0)
    for value in taken:
        interval.add(Sample({"infer": float(value)}))

    found = interval.latency_ms()["infer"]
    assert found["p50"] == pytest.approx(np.quantile(taken, 0.5, method="inverted_cdf"), rel=0.011)
    assert found["p99"] == pytest.approx(np.quantile(taken, 0.99, method="inverted_cdf"), rel=0.011)


def test_odd_durations_break_nothing():
    """Zero, negative, not a number: a clock may do that; an unknown stage is left out."""
    interval = Interval(0.0)
    for value in (0.0, -3.0, float("nan")):
        interval.add(Sample({"read": value, "other": 1.0}))

    assert set(interval.latency_ms()) == {"read"}
    json.dumps(interval.latency_ms(), allow_nan=False)


def test_interval_of_a_million_frames_stays_small():
    """Memory does not grow with the number of frames."""
    interval = Interval(0.0)
    for number in range(20_000):
        interval.add(Sample({"infer": 1 + number % 977 / 7}, ["bolt"]))

    assert len(interval.durations["infer"]) < 300
    assert interval.frames == interval.labels["bolt"] == 20_000


def test_records_wait_without_a_network_and_arrive_with_one(telemetry, delivery, clock):
    """In order, all of them; and meanwhile the record says for how long it was cut off."""
    delivery.fault = Unsent("no route")
    for _ in range(5):
        telemetry.frame(Sample({"total": 1}))
        clock.seconds += 60
        telemetry.flush()
        with pytest.raises(Unsent):
            telemetry.send_waiting()
    delivery.fault = None
    telemetry.send_waiting()

    assert [record["seq"] for record in delivery.records] == [1, 2, 3, 4, 5]
    assert [record["offline_s"] for record in delivery.records] == [60, 120, 180, 240, 300]
    clock.seconds += 7
    telemetry.flush()
    telemetry.send_waiting()
    assert delivery.records[-1]["offline_s"] == 7


def test_answer_that_comes_while_a_record_is_written_is_no_negative_time(tmp_path, clock, delivery):
    """Time without a network is never below zero: a collector would refuse the record."""

    def now():
        clock.seconds += 3
        answered.contact()
        return NOON

    answered = Telemetry(delivery, tmp_path, "a", now=now, monotonic=clock)
    answered.flush()
    answered.send_waiting()

    assert delivery.records[0]["offline_s"] == 0


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_full_disk_at_the_start_stops_no_run(tmp_path, monkeypatch, delivery, code):
    """Records are lost until there is room; then they go out, and say how many were lost."""

    def refuse(*_arguments, **_options):
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as full:
        full.setattr("pathlib.Path.mkdir", refuse)
        telemetry = Telemetry(delivery, tmp_path, "a")
        telemetry.flush()
        telemetry.send_waiting()
    telemetry.flush()
    telemetry.send_waiting()

    assert [(record["seq"], record["lost"]) for record in delivery.records] == [(1, 1)]


@pytest.mark.parametrize(("code", "wrong"), [(errno.EIO, False), (errno.EACCES, True)])
def test_folder_that_cannot_be_used_is_told_apart(tmp_path, monkeypatch, code, wrong):
    """A broken disk may be repaired; a folder of somebody else is a wrong argument."""

    def refuse(*_arguments, **_options):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    with pytest.raises(EdgeError, match="telemetry cannot be kept") as refused:
        Telemetry(FakeDelivery(), tmp_path, "a")

    assert isinstance(refused.value, ConfigError) == wrong


def test_batch_that_is_refused_makes_way(telemetry, delivery, caplog):
    """It is counted in later records, and said in the log; it does not block the others."""
    delivery.fault = Refused("400 no such device")
    telemetry.flush()
    with caplog.at_level(logging.WARNING):
        telemetry.send_waiting()
    delivery.fault = None
    telemetry.flush()
    telemetry.send_waiting()

    assert "400 no such device" in caplog.text
    assert [(record["seq"], record["lost"]) for record in delivery.records] == [(2, 1)]


def test_frame_does_not_wait_for_a_delivery_that_hangs(tmp_path):
    """The loop goes on while the network is silent, and intervals still end."""
    release = threading.Event()

    class Hanging:
        def send(self, device_id: str, batch: Batch) -> None:
            entered.set()
            release.wait(20)

    entered = threading.Event()
    telemetry = Telemetry(Hanging(), tmp_path, "a", 0.05)
    with telemetry:
        assert entered.wait(10)
        for _ in range(2_000):
            telemetry.frame(Sample({"total": 1.0}, ["bolt"]))
        telemetry.flush()
        waiting = sum(
            json.loads(line)["frames"]
            for file in (tmp_path / "telemetry").glob("*.jsonl")
            for line in file.read_text().splitlines()
        )
        release.set()
    assert waiting == 2_000


def test_threads_report_by_themselves_and_end(tmp_path, delivery):
    """Records arrive while it runs, the last one at the end; no thread stays."""
    before = set(threading.enumerate())
    with Telemetry(delivery, tmp_path, "a", 0.05) as telemetry:
        telemetry.frame(Sample({"total": 1.0}))
        assert delivery.arrived.wait(10)
        telemetry.frame(Sample({"total": 1.0}))

    assert sum(record["frames"] for record in delivery.records) == 2
    assert [record["seq"] for record in delivery.records] == list(
        range(1, len(delivery.records) + 1)
    )
    assert set(threading.enumerate()) <= before


def test_what_could_not_be_sent_goes_with_the_next_run(tmp_path, delivery):
    """A run that ends off-line leaves its records to the next one."""
    delivery.fault = Unsent("no route")
    with Telemetry(delivery, tmp_path, "a", 60) as telemetry:
        telemetry.frame(Sample({"total": 1.0}))
    assert delivery.records == []

    delivery.fault = None
    with Telemetry(delivery, tmp_path, "a", 60):
        pass

    assert [(record["seq"], record["frames"]) for record in delivery.records] == [(1, 1), (2, 0)]


def test_pauses_grow_while_the_collector_is_away(tmp_path, delivery):
    """A fleet does not storm a server that comes back: attempts become rare."""
    delivery.fault = Unsent("no route")
    with Telemetry(delivery, tmp_path, "a", 0.05):
        deadline = time.monotonic() + 0.9
        while time.monotonic() < deadline:
            time.sleep(0.02)

    assert 1 <= delivery.attempts <= 9  # and 18 intervals


@pytest.mark.parametrize("device", ["", "a/b", "..", ".hidden", "a b", "x" * 65, "ü", "a\n"])
def test_device_id_is_a_plain_name(tmp_path, device):
    """It becomes part of an address and the name of a folder."""
    with pytest.raises(ConfigError, match="letters, digits"):
        Telemetry(FakeDelivery(), tmp_path, device)


@pytest.mark.parametrize("every_s", [0, -1, float("nan"), 1e9])
def test_interval_that_makes_no_sense_is_refused(tmp_path, every_s):
    with pytest.raises(ConfigError, match="every"):
        Telemetry(FakeDelivery(), tmp_path, "a", every_s)


@pytest.mark.parametrize(
    "destination",
    [
        *("ftp://host/x", "s3://bucket/x", "http://", "https://:80/x", "http://h:99999/"),
        *("http://[::1/x", "file://[::1/x", "https://u:secret@host/x", "ftp://u:secret@host/x"),
        *("https://u:1/secret@host/x", "https://host/x?key=secret", "http:u:secret@host"),
    ],
)
def test_destination_that_cannot_be_is_refused(destination):
    """At the start, with what would be right; a password has no place in it, or in a message."""
    with pytest.raises(ConfigError, match="telemetry cannot go to") as refused:
        open_delivery(destination)

    assert "secret" not in str(refused.value)


def test_folder_gets_whole_files_under_the_devices_name(tmp_path):
    """One file per batch, under a name that sorts by time; sent again, none is lost."""
    folder = open_delivery(str(tmp_path / "inbox"))
    assert isinstance(folder, FolderDelivery)
    folder.send("camera-7", Batch("000000000001", b'{"seq":1}\n'))
    folder.send("camera-7", Batch("000000000002", b'{"seq":2}\n'))

    files = sorted((tmp_path / "inbox" / "camera-7").iterdir())
    assert [file.name[15:] for file in files] == [
        "-000000000001.jsonl",
        "-000000000002.jsonl",
    ]
    assert [file.read_bytes() for file in files] == [b'{"seq":1}\n', b'{"seq":2}\n']


def test_folder_that_is_not_there_is_waited_for(tmp_path):
    """An unplugged disk or a file in its place: try again later."""
    (tmp_path / "inbox").write_text("in the way")

    with pytest.raises(Unsent):
        open_delivery(f"file://{tmp_path}/inbox").send("a", Batch("1", b"{}\n"))


Answer = tuple[int, bytes]


@pytest.fixture
def collector() -> Iterator[tuple[str, list[tuple[str, str | None, bytes]], list[Answer]]]:
    """A web server on loopback: its address, what it got, and the answers it will give."""
    got: list[tuple[str, str | None, bytes]] = []
    answers: list[Answer] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, self.headers["Authorization"], body))
            status, answer = answers.pop(0)
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/telemetry/", got, answers
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_http_posts_lines_with_the_key(collector):
    """To the device's own address; done when the collector says how many it has got."""
    address, got, answers = collector
    answers.append((200, b'{"received": 2}'))
    HttpDelivery(address, "secret").send("camera-7", Batch("1", b"{}\n{}\n"))

    assert got == [("/telemetry/camera-7", "Bearer secret", b"{}\n{}\n")]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((200, b"<html>Welcome to our guest network</html>"), Unsent),
        ((200, b'{"received": 1}'), Unsent),
        ((200, b'"received"'), Unsent),
        ((302, b""), Unsent),
        ((401, b"who are you?"), Unsent),
        ((429, b"slower"), Unsent),
        ((503, b"later"), Unsent),
        ((400, b"<html>The plain HTTP request was sent to HTTPS port</html>"), Unsent),
        ((400, b'["malformed"]'), Unsent),
        ((413, b"<html>too large</html>"), Unsent),
        ((400, b'{"error": "malformed"}'), Refused),
        ((413, b'{"error": "too large"}'), Refused),
        ((503, b'{"error": "later"}'), Unsent),
    ],
)
def test_http_answer_decides_what_becomes_of_a_batch(collector, answer, error):
    """Only the collector's own word counts; what may pass is tried again, the rest is dropped."""
    address, got, answers = collector
    answers.append(answer)

    with pytest.raises(error):
        HttpDelivery(address).send("a", Batch("1", b"{}\n{}\n"))
    assert len(got) == 1  # no redirect was followed


def test_http_without_a_server_is_tried_later(unused_address: Callable[[], str]):
    """Refused connections are the normal case of a device."""
    with pytest.raises(Unsent):
        HttpDelivery(unused_address()).send("a", Batch("1", b"{}\n"))


@pytest.fixture
def unused_address() -> Callable[[], str]:
    def find() -> str:
        server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
        server.server_close()
        return f"http://127.0.0.1:{server.server_port}/telemetry"

    return find


def test_key_comes_from_the_environment_or_a_file(tmp_path):
    """One that is given outright counts; a file that holds none is told."""
    file, name = tmp_path / "key", "EDGE_DETECTOR_TELEMETRY_KEY"
    file.write_text("of the file\n")
    assert read_key({}) is None
    assert read_key({name: "given"}) == "given"
    assert read_key({name: "", f"{name}_FILE": str(file)}) == "of the file"
    assert read_key({name: "given", f"{name}_FILE": str(file)}) == "given"

    file.write_text("\n")
    with pytest.raises(ConfigError, match="is empty: put the device's key into it"):
        read_key({f"{name}_FILE": str(file)})
    with pytest.raises(ConfigError, match="cannot be read"):
        read_key({f"{name}_FILE": str(tmp_path / "none")})
