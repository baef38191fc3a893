"""Promises of the spool: whole records, bounded, numbered on over restarts and kills."""

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from edge_detector.telemetry.spool import Spool

WRITER = """
import sys
from pathlib import Path
from edge_detector.telemetry.spool import Spool
spool = Spool(Path(sys.argv[1]), 40_000)
print("ready", flush=True)
while True:
    spool.append(lambda number: {"seq": number, "filler": "x" * 200})
"""


def record(number: int) -> dict[str, object]:
    return {"seq": number, "filler": "x" * 80}


def numbers(spool: Spool) -> list[int]:
    """Take all records out."""
    found = []
    while (batch := spool.oldest()) is not None:
        found += [json.loads(line)["seq"] for line in batch.body.splitlines()]
        assert batch.records == batch.body.count(b"\n")
        spool.forget(batch)
    return found


def size_of(folder: Path) -> int:
    """Bytes of the records on disk."""
    return sum(file.stat().st_size for file in folder.glob("*.jsonl"))


def test_records_come_out_in_order_and_once(tmp_path):
    """Numbered from 1, oldest first, each in one batch."""
    spool = Spool(tmp_path, 100_000)

    assert [spool.append(record) for _ in range(200)] == list(range(1, 201))

    assert numbers(spool) == list(range(1, 201))
    assert spool.oldest() is None
    assert size_of(tmp_path) == 0


def test_numbers_go_on_after_a_restart(tmp_path):
    """Also when everything has been sent: no number is given twice."""
    first = Spool(tmp_path, 100_000)
    first.append(record)
    first.append(record)
    assert numbers(first) == [1, 2]

    assert Spool(tmp_path, 100_000).append(record) == 3
    assert Spool(tmp_path, 100_000).append(record) == 4
    assert numbers(Spool(tmp_path, 100_000)) == [3, 4]


def test_batch_that_is_not_acknowledged_comes_again(tmp_path):
    """Until it is forgotten, it is the oldest, while others are appended behind it."""
    spool = Spool(tmp_path, 100_000)
    spool.append(record)
    batch = spool.oldest()
    spool.append(record)

    assert batch is not None and spool.oldest() == batch
    assert Spool(tmp_path, 100_000).oldest() == batch
    assert numbers(spool) == [1, 2]


def test_attempts_to_send_leave_few_files(tmp_path):
    """A device that is off-line for months does not fill the disk's table of files."""
    spool = Spool(tmp_path, 6_000)
    for _ in range(150):
        spool.append(record)
        spool.oldest()

    assert len(list(tmp_path.glob("*.jsonl"))) < 25


def test_full_spool_drops_the_oldest_and_counts_them(tmp_path):
    """The bound holds at every moment; what remains is the newest, without a gap."""
    spool = Spool(tmp_path, 4_000)
    for _ in range(120):
        spool.append(record)
        assert size_of(tmp_path) <= 4_000

    assert spool.lost > 60
    assert Spool(tmp_path, 4_000).lost == spool.lost
    kept = numbers(spool)
    assert kept == list(range(spool.lost + 1, 121))
    assert len(kept) > 20


def test_batch_that_is_refused_is_counted_as_lost(tmp_path):
    """It goes, so that it does not stop those behind it for ever."""
    spool = Spool(tmp_path, 100_000)
    spool.append(record)
    spool.append(record)
    batch = spool.oldest()
    assert batch is not None
    spool.lose(batch)

    assert spool.oldest() is None
    assert Spool(tmp_path, 100_000).lost == 2


def test_torn_record_is_cut_off(tmp_path):
    """What a power cut left of a line is gone; the whole ones before it are there."""
    Spool(tmp_path, 100_000).append(record)
    (file,) = tmp_path.glob("*.jsonl")
    with file.open("ab") as torn:
        torn.write(b'{"seq": 2, "fil')

    spool = Spool(tmp_path, 100_000)

    assert spool.append(record) == 2
    assert numbers(spool) == [1, 2]


def test_full_disk_loses_records_and_nothing_else(tmp_path, monkeypatch):
    """A record that does not fit is counted; the next one that does is whole."""
    spool = Spool(tmp_path, 100_000)
    spool.append(record)
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, line: write(handle, line[:10]))
    spool.append(record)
    monkeypatch.undo()
    spool.append(record)

    assert spool.lost == 1
    assert numbers(spool) == [1, 2]


def test_torn_record_on_a_read_only_disk_is_cut_off_later(tmp_path, monkeypatch):
    """Until the disk takes something nothing is sent; then whole records, numbered on."""
    Spool(tmp_path, 100_000).append(record)
    (file,) = tmp_path.glob("*.jsonl")
    with file.open("ab") as torn:
        torn.write(b'{"seq": 2, "fil')

    def refuse(*_arguments):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as worn:
        worn.setattr(os, "truncate", refuse)
        spool = Spool(tmp_path, 100_000)
        spool.append(record)
        assert spool.oldest() is None and spool.lost == 1

    assert spool.append(record) == 2
    assert numbers(spool) == [1, 2]


def test_foreign_files_are_left_alone(tmp_path):
    """Whatever else lies in the folder is neither sent nor deleted."""
    (tmp_path / "notes.jsonl").write_text("mine")
    spool = Spool(tmp_path, 1_000)
    for _ in range(100):
        spool.append(record)
    numbers(spool)

    assert (tmp_path / "notes.jsonl").read_text() == "mine"


def test_killed_at_any_moment_leaves_whole_records(tmp_path):
    """SIGKILL at ten random moments: every line is a record, and numbers never repeat."""
    moments = random.Random(4)
    last = 0
    for _ in range(10):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        try:
            assert writer.stdout.readline() == "ready\n"
            time.sleep(moments.uniform(0, 0.08))
        finally:
            writer.send_signal(signal.SIGKILL)
            writer.wait(timeout=60)
            writer.stdout.close()

        spool = Spool(tmp_path, 40_000)
        found = numbers(spool)
        assert found == list(range(found[0], found[0] + len(found))) if found else True
        assert all(number > last for number in found)
        last = max([last, *found])
    assert last > 10


@pytest.mark.parametrize("content", ["", "twelve", "\x00\x00"])
def test_damaged_count_of_lost_records_is_zero(tmp_path, content):
    """The count is for people; a damaged one stops nothing."""
    (tmp_path / "lost").write_text(content)

    assert Spool(tmp_path, 1_000).lost == 0
