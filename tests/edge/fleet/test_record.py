"""Promises of reading a record: what a device says is believed only as far as it can be true."""

import json
from datetime import datetime, timedelta

import pytest
from edge_detector.telemetry.interval import STAGES

from edge.fleet.record import Rejected, read_record
from tests.edge.fleet.records import NOON, a_record, line


def test_record_of_a_device_is_read():
    """Every field arrives; one that a later version adds is left out."""
    record = read_record(line(a_record(7, extra={"more": 1})), "camera-7", NOON).record

    assert (record.device, record.seq, record.frames) == ("camera-7", 7, 900)
    assert record.model is not None and record.model.version == "1.2.3"
    assert record.latency_ms["total"].p99 == 66.0
    assert not hasattr(record, "extra")


def test_record_without_a_model_or_temperature_is_read():
    """A device that has nothing to run yet, on a board without a sensor."""
    nothing = a_record(model=None, temperature_c=None, latency_ms={}, detections={}, fps=0.0)

    assert read_record(line(nothing), "camera-7", NOON).record.model is None


@pytest.mark.parametrize("said", ["1970-01-01T00:10:00Z", "2000-01-01T00:00:07.5Z"])
def test_record_of_a_clock_that_was_not_set_is_dated_by_its_arrival(said):
    """What the clock said is kept, as the flag; a device cannot set it itself."""
    arrived = NOON - timedelta(minutes=3)
    received = read_record(line(a_record(7, at=said)), "camera-7", NOON, arrived)

    assert (received.record.at, received.said_at) == (arrived, datetime.fromisoformat(said))
    assert (received.record.seq, received.record.frames) == (7, 900)
    assert read_record(line(a_record(7, at=said)), "camera-7", NOON).record.at == NOON
    claimed = a_record(7, said_at=said)
    assert read_record(line(claimed), "camera-7", NOON).said_at is None


WRONG = {
    "another format": {"format": 2},
    "a number that is text": {"frames": "900"},
    "a number that is a truth": {"frames": True},
    "a negative count": {"dropped": -1},
    "an endless count": {"frames": 10**30},
    "not a number": {"fps": float("nan")},
    "an infinite duration": {"latency_ms": {"total": {"p50": float("inf"), "p99": 1.0}}},
    "a stage with a hostile name": {"latency_ms": {"<b>": {"p50": 1.0, "p99": 1.0}}},
    "an impossible temperature": {"temperature_c": 5_000.0},
    "a label with a control character": {"detections": {"bolt\x1b[31m": 1}},
    "a label that ends a string in SQL": {"detections": {"bolt\x00": 1}},
    "a label without end": {"detections": {"x" * 101: 1}},
    "too many labels": {"detections": {f"label {n}": 1 for n in range(257)}},
    "a version that is none": {"model": {"name": "p", "version": "latest", "sha256": "ab" * 32}},
    "a digest that is none": {"model": {"name": "p", "version": "1.0.0", "sha256": "x"}},
    "a name that is a path": {"model": {"name": "../p", "version": "1.0.0", "sha256": "ab" * 32}},
    "an unknown state": {"state": "excellent"},
    "a runtime that turns the text": {"runtime": "\u202eevil"},
    "a time without a zone": {"at": "2026-11-23T11:00:00"},
    "before any clock": {"at": "1969-12-31T23:59:00Z"},
    "the beginning of time": {"at": "0001-01-01T00:00:00+14:00"},
    "the future": {"at": "2026-11-23T12:11:00Z"},
    "the end of time": {"at": "9999-12-31T23:59:59-12:00"},
    "another device": {"device": "camera-8"},
    "a device that is a path": {"device": "../camera-7"},
    "no number": {"seq": None},
    "number zero": {"seq": 0},
    "a number beyond all": {"seq": 2**63},
}


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG.keys())
def test_record_that_cannot_be_true_is_rejected(changes):
    """With a reason of one short printable line, which does not repeat the hostile value."""
    content = json.dumps(a_record() | changes).encode()

    with pytest.raises(Rejected) as rejected:
        read_record(content, "camera-7", NOON)
    reason = str(rejected.value)
    assert reason.isprintable() and 5 < len(reason) < 400


RUBBISH = {
    "nothing": b"",
    "no JSON": b"hello",
    "half a record": line(a_record())[:100],
    "a list": b"[]",
    "a number": b"7",
    "no UTF-8": b'{"device": "\xff\xfe"}',
    "half of a character": b'{"device": "\\ud800"}',
    "depth": b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
    "length": b'"' + b"x" * 200_000 + b'"',
    "many fields": json.dumps({f"f{n}": n for n in range(3_000)}).encode(),
}


@pytest.mark.parametrize("content", RUBBISH.values(), ids=RUBBISH.keys())
def test_rubbish_is_rejected_and_harms_nothing(content):
    """Whatever the bytes: a reason, in no time."""
    with pytest.raises(Rejected):
        read_record(content, "camera-7", NOON)


def test_every_stage_of_the_loop_may_be_reported():
    """What the device's loop measures is what the contract allows as a stage."""
    stages = {stage: {"p50": 1.0, "p99": 2.0} for stage in STAGES}
    read_record(line(a_record(latency_ms=stages)), "camera-7", NOON)


def test_record_of_a_device_of_before_is_read():
    """A field with a default may be missing: it came with a later version."""
    record = a_record()
    del record["lost"]

    assert read_record(line(record), "camera-7", NOON).record.lost == 0
    del record["frames"]
    with pytest.raises(Rejected, match=r"^frames: is missing$"):
        read_record(line(record), "camera-7", NOON)
