"""Promises of the events file: whole lines, whatever happens to disk and power."""

import errno
import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from edge_detector.errors import ConfigError, EdgeError
from edge_detector.outputs.events import EventsFile

from tests.edge.device.results import BOLT, NUT, make_result


def read_lines(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_events_have_one_line_per_frame_with_detections(tmp_path):
    """A line says which frame, when, by which model, and what was found where."""
    path = tmp_path / "events.jsonl"
    events = EventsFile(path)

    events.write(make_result(3, BOLT, NUT))
    events.write(make_result(4))
    events.write(make_result(5, NUT))
    events.close()

    first, second = read_lines(path)
    assert first["frame"] == 3 and second["frame"] == 5
    assert first["model"] == "parts 1.2.3"
    assert first["detections"] == [
        {"label": "bolt", "score": 0.8765, "box": [1.0, 2.0, 30.3, 40.0]},
        {"label": "écrou", "score": 0.5, "box": [5.0, 6.0, 7.0, 8.0]},
    ]
    assert set(first) == {"frame", "captured_at", "model", "detections"}


def test_events_tell_when_the_frame_was_captured(tmp_path):
    """The time is that of the picture in UTC, not that of the line."""
    events = EventsFile(tmp_path / "events.jsonl")

    events.write(make_result(0, BOLT, captured_at=time.monotonic() - 60))

    (line,) = read_lines(tmp_path / "events.jsonl")
    events.close()
    captured_at = datetime.fromisoformat(line["captured_at"])
    assert line["captured_at"].endswith("Z")
    assert abs(datetime.now(UTC) - timedelta(seconds=60) - captured_at) < timedelta(seconds=10)


def test_events_are_readable_while_the_run_goes_on(tmp_path):
    """A line is in the file as soon as it is written."""
    events = EventsFile(tmp_path / "events.jsonl")
    for number in range(10):
        events.write(make_result(number, BOLT))
        assert len(read_lines(tmp_path / "events.jsonl")) == number + 1
    events.close()


def test_events_go_on_in_an_existing_file_after_a_torn_line(tmp_path):
    """What a power cut has left of a line is taken away; all whole lines stay."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"frame":1}\n{"frame":2}\n{"frame":3,"captu')

    events = EventsFile(path)
    events.write(make_result(4, BOLT))
    events.close()

    assert [line["frame"] for line in read_lines(path)] == [1, 2, 4]


def test_events_take_a_part_of_a_line_back_when_the_disk_is_full(tmp_path, monkeypatch):
    """A disk that fills up in the middle of a line keeps the lines before it, whole."""
    path = tmp_path / "events.jsonl"
    events = EventsFile(path)
    events.write(make_result(1, BOLT))
    write, room = os.write, [40]

    def write_until_full(file, data):
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken, room[0] = data[: room[0]], max(0, room[0] - len(data))
        return write(file, taken)

    monkeypatch.setattr("edge_detector.outputs.events.os.write", write_until_full)
    with pytest.raises(OSError, match="No space left"):
        events.write(make_result(2, BOLT))
    events.close()

    assert [line["frame"] for line in read_lines(path)] == [1]


def test_events_on_a_really_full_device_say_so():
    """A device that takes nothing is an error of the output, at the first line."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    events = EventsFile(Path("/dev/full"))

    with pytest.raises(OSError, match="No space left"):
        events.write(make_result(1, BOLT))
    events.close()


def test_events_go_into_a_pipe_too(tmp_path):
    """Another program may read them as they come."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    events = EventsFile(path)
    events.write(make_result(1, BOLT))
    events.close()

    assert json.loads(os.read(reader, 10_000))["frame"] == 1
    os.close(reader)


def test_events_wait_for_no_reader(tmp_path, monkeypatch):
    """A pipe that nobody reads is told at the start; one whose reader stands still, later."""
    monkeypatch.setattr("edge_detector.outputs.events.PATIENCE_S", 0.01)
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(ConfigError, match="start its reader first"):
        EventsFile(path)

    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    events = EventsFile(path)
    with pytest.raises(OSError, match="its reader takes nothing"):
        for number in range(10_000):
            events.write(make_result(number, BOLT))
    events.close()
    os.close(reader)


def test_events_on_a_disk_that_is_read_only_are_no_wrong_argument(tmp_path, monkeypatch):
    """Who starts the service again may find it writable."""

    def refuse(*_arguments):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("edge_detector.outputs.events.os.open", refuse)
    with pytest.raises(EdgeError, match=r"--events .* Read-only") as refused:
        EventsFile(tmp_path / "events.jsonl")
    monkeypatch.undo()

    assert not isinstance(refused.value, ConfigError)


@pytest.mark.parametrize("name", ["", "missing/events.jsonl"])
def test_events_that_cannot_be_written_are_refused_at_the_start(tmp_path, name):
    """A folder, or a file in none, is a wrong argument."""
    with pytest.raises(ConfigError, match=r"--events .* cannot be written"):
        EventsFile(tmp_path / name)
