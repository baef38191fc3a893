"""Promises of loading: each record once, and nothing that a device sends stops the others."""

import json
import os
import time
from datetime import timedelta

import pytest
import sqlalchemy as sa

from edge.fleet.database import Database
from edge.fleet.devices import read_devices, read_rejections
from edge.fleet.errors import DatabaseError, InboxError
from edge.fleet.health import Limits
from edge.fleet.inbox import list_devices, read_arrivals, write_batch
from edge.fleet.load import REJECTED_PER_DEVICE, Loaded, count_files, forget, load
from edge.fleet.run import CollectionRun, judge_devices, load_inbox
from edge.fleet.tables import DEVICE_TELEMETRY, DEVICES, REJECTED_TELEMETRY
from tests.edge.fleet.records import NOON, a_record, line, put


@pytest.fixture
def database(database_url):
    database = Database(database_url)
    database.prepare()
    yield database
    database.close()


@pytest.fixture
def sqlite(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'fleet.db'}")
    database.prepare()
    return database


def count(database: Database, table: sa.Table) -> int:
    with database.transaction(writes=False) as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


def test_records_arrive_as_they_were_sent(database, tmp_path):
    """Every field, on both databases; the file is gone, and the device has a row."""
    put(tmp_path, "20261123T120000-1.jsonl", *(line(a_record(n)) for n in (1, 2, 3)))

    loaded = load(database, tmp_path, NOON)

    assert loaded == Loaded(files=1, records=3, devices={"camera-7"})
    with database.transaction(writes=False) as connection:
        query = sa.select(DEVICE_TELEMETRY).order_by(DEVICE_TELEMETRY.c.seq)
        row = connection.execute(query).mappings().first()
    assert row is not None
    assert row["at"] == NOON - timedelta(days=1) + timedelta(minutes=1)
    assert row["hour"] == NOON - timedelta(days=1)
    assert (row["p50_ms"], row["p99_ms"], row["fps"]) == (40.0, 66.0, 15.0)
    assert row["latency_ms"]["infer"] == {"p50": 20.5, "p99": 31.0}
    assert row["detections"] == {"bolt": 120, "defective": 4}
    assert (row["model"], row["version"], row["sha256"]) == ("parts", "1.2.3", "ab" * 32)
    assert count_files(tmp_path) == 0
    (device,) = read_devices(database, NOON)
    assert (device.device, device.release, device.fps) == ("camera-7", "parts 1.2.3", 15.0)
    assert device.last_seen - device.first_seen == timedelta(minutes=2)


def test_record_is_loaded_once_however_often_it_comes(database, tmp_path):
    """In one file twice, in two files of a run, or in a later run."""
    lines = [line(a_record(n)) for n in (1, 2)]
    put(tmp_path, "a.jsonl", *lines, lines[0])
    put(tmp_path, "b.jsonl", *lines)
    first = load(database, tmp_path, NOON)
    put(tmp_path, "c.jsonl", *lines, line(a_record(3)))
    second = load(database, tmp_path, NOON)

    assert (first.records, first.known) == (2, 3)
    assert (second.records, second.known) == (1, 2)
    assert count(database, DEVICE_TELEMETRY) == 3


def test_device_that_was_wiped_counts_anew(sqlite, tmp_path):
    """The same number at another time is another record."""
    put(tmp_path, "a.jsonl", line(a_record(1)))
    put(tmp_path, "b.jsonl", line(a_record(1, at="2026-11-23T09:00:00Z")))

    assert load(sqlite, tmp_path, NOON).records == 2


def test_records_of_a_clock_that_is_not_set_are_kept(database, tmp_path):
    """Dated by their arrival and flagged; loaded once, whenever they are delivered again."""
    before = [line(a_record(n, at=f"1970-01-01T00:0{n}:00Z", fps=1.0)) for n in (1, 2)]
    after = line(a_record(3, at="2026-11-23T10:58:00Z", fps=15.0))
    first = put(tmp_path, "a.jsonl", *before, after)  # meanwhile it has learned the time
    arrived = NOON - timedelta(hours=1)
    os.utime(first, (arrived.timestamp(),) * 2)
    once = load(database, tmp_path, NOON)
    put(tmp_path, "b.jsonl", *before)
    again = load(database, tmp_path, NOON + timedelta(hours=2))

    assert (once.records, once.undated, once.rejected) == (3, 2, 0)
    assert (again.records, again.undated, again.known) == (0, 0, 2)
    columns = DEVICE_TELEMETRY.c
    with database.transaction(writes=False) as connection:
        query = sa.select(columns.at, columns.said_at).order_by(columns.seq)
        rows = connection.execute(query).all()
    assert [at for at, _ in rows[:2]] == [arrived, arrived]
    assert [said and said.year for _, said in rows] == [1970, 1970, None]
    (device,) = read_devices(database, NOON)
    assert (device.fps, device.last_seen) == (15.0, arrived - timedelta(minutes=2))


def test_arrival_is_no_later_than_now_and_no_earlier_than_telemetry(sqlite, tmp_path):
    """A share's clock may be wrong too."""
    for number, moment in enumerate((0.0, 9e9), 1):
        record = a_record(number, at=f"2000-01-01T00:0{number}:00Z")
        os.utime(put(tmp_path, f"{number}.jsonl", line(record)), (moment, moment))
    load(sqlite, tmp_path, NOON - timedelta(days=365))

    with sqlite.transaction(writes=False) as connection:
        dates = connection.execute(sa.select(DEVICE_TELEMETRY.c.at)).scalars().all()
    assert dates == [NOON - timedelta(days=365)] * 2


def test_database_of_before_gets_the_columns_that_it_lacks(database, tmp_path):
    """Its rows stay, and records are loaded beside them."""
    put(tmp_path, "a.jsonl", line(a_record(1)))
    load(database, tmp_path, NOON)
    with database.transaction(writes=True) as connection:
        connection.execute(sa.text("ALTER TABLE device_telemetry DROP COLUMN said_at"))
    for _ in range(2):
        database.prepare()
    put(tmp_path, "b.jsonl", line(a_record(2, at="1970-01-01T00:01:00Z")))

    assert load(database, tmp_path, NOON).undated == 1
    assert count(database, DEVICE_TELEMETRY) == 2


def test_late_records_do_not_turn_back_what_is_known(sqlite, tmp_path):
    """Those from before the newest are loaded, and the device's row stays at the newest."""
    put(tmp_path, "a.jsonl", line(a_record(100, fps=30.0)))
    load(sqlite, tmp_path, NOON)
    put(tmp_path, "b.jsonl", line(a_record(5, fps=1.0)))
    load(sqlite, tmp_path, NOON)

    (device,) = read_devices(sqlite, NOON)
    assert device.fps == 30.0
    assert device.last_seen - device.first_seen == timedelta(minutes=95)


def test_bad_lines_are_kept_with_a_reason_and_the_good_ones_loaded(database, tmp_path):
    """File, line, reason and beginning; the count is exact."""
    put(
        tmp_path,
        "a.jsonl",
        line(a_record(1)),
        b"\x00\xff rubbish \x1b[2J\n",
        b"\n",
        line(a_record(2, fps="fast")),
        line(a_record(3)),
    )
    loaded = load(database, tmp_path, NOON)

    assert (loaded.records, loaded.rejected) == (2, 2)
    first, second = read_rejections(database, NOON - timedelta(days=1), 10)
    assert (first.file, first.line, second.line) == ("a.jsonl", 2, 4)
    assert "fps" in second.reason
    assert first.excerpt.isprintable() and "rubbish" in first.excerpt


def test_one_hostile_device_stops_no_other(database, tmp_path):
    """A megabyte of rubbish, a file of too many, links, pipes and folders: all else is loaded."""
    secret = tmp_path / "secret"
    secret.write_bytes(line(a_record(9, device="evil")))
    inbox = tmp_path / "inbox"
    put(inbox, "a.jsonl", b"rubbish\n" * 100_000, device="evil")
    put(inbox, "huge.jsonl", b"x" * (2**20 + 1), device="evil")
    (inbox / "evil" / "link.jsonl").symlink_to(secret)
    os.mkfifo(inbox / "evil" / "pipe.jsonl")
    (inbox / "evil" / "folder.jsonl").mkdir()
    put(inbox, "other.jsonl", line(a_record(1)), device="evil")
    put(inbox, "a.jsonl", line(a_record(1)), device="not a device\x1b")
    (inbox / "linked").symlink_to(tmp_path)
    put(inbox, "a.jsonl", line(a_record(1)))

    loaded = load(database, inbox, NOON)

    assert loaded.records == 1 and loaded.devices == {"camera-7"}
    reasons = [one.reason for one in read_rejections(database, NOON - timedelta(days=1), 100)]
    assert any("99,980 more" in reason for reason in reasons)
    assert any("at most 1,048,576" in reason for reason in reasons)
    assert "is a link" in reasons and "is no file" in reasons
    assert "it says that it is of device camera-7" in reasons
    assert "its folder is not named like a device" in reasons
    assert loaded.rejected == 100_000 + 5
    assert len(reasons) < 30
    assert secret.exists()
    assert [path.name for path in (inbox / "evil").iterdir()] == ["folder.jsonl"]
    assert load(database, inbox, NOON).files == 0


def test_rejections_of_a_device_have_a_bound(sqlite, tmp_path):
    """The newest are kept."""
    for day in range(REJECTED_PER_DEVICE // 20 + 30):
        put(tmp_path, f"{day:05d}.jsonl", *[b"rubbish\n"] * 20)
        load(sqlite, tmp_path, NOON + timedelta(minutes=day))

    assert count(sqlite, REJECTED_TELEMETRY) <= REJECTED_PER_DEVICE
    newest = read_rejections(sqlite, NOON, 1)[0]
    assert newest.rejected_at == NOON + timedelta(minutes=REJECTED_PER_DEVICE // 20 + 29)


def test_killed_after_the_commit_loses_and_doubles_nothing(sqlite, tmp_path, monkeypatch):
    """The file is found again, and adds nothing; rejected lines are not doubled either."""
    put(tmp_path, "a.jsonl", line(a_record(1)), b"rubbish\n")

    class Killed(BaseException):
        pass

    def die(_arrival: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("edge.fleet.load.remove", die)
        with pytest.raises(Killed):
            load(sqlite, tmp_path, NOON)
    again = load(sqlite, tmp_path, NOON)

    assert (again.records, again.known) == (0, 1)
    assert count(sqlite, DEVICE_TELEMETRY) == count(sqlite, REJECTED_TELEMETRY) == 1


def test_database_that_refuses_leaves_the_files(tmp_path):
    """They are there for the next run."""
    put(tmp_path, "a.jsonl", line(a_record(1)))
    database = Database(f"sqlite:///{tmp_path / 'empty.db'}")  # without tables

    with pytest.raises(DatabaseError, match="no such table"):
        load(database, tmp_path, NOON)
    assert count_files(tmp_path) == 1


def test_file_that_cannot_be_removed_is_counted(sqlite, tmp_path, monkeypatch):
    """As on a share that is read-only: the reader is told."""
    put(tmp_path, "a.jsonl", line(a_record(1)))
    monkeypatch.setattr("edge.fleet.load.remove", lambda _arrival: False)

    assert load(sqlite, tmp_path, NOON).staying == 1


def test_unfinished_files_are_left_until_they_are_stale(sqlite, tmp_path):
    """A file that is being written is not read; after a day it is removed."""
    fresh = put(tmp_path, ".a.jsonl.1", line(a_record(1)))
    stale = put(tmp_path, ".b.jsonl.1", line(a_record(1)))
    os.utime(stale, (time.time() - 90_000, time.time() - 90_000))

    assert load(sqlite, tmp_path, NOON).files == 0
    assert fresh.exists() and not stale.exists()


def test_many_files_are_loaded_in_several_transactions(sqlite, tmp_path):
    """And progress is told for each."""
    done: list[int] = []
    for number in range(30):
        records = [line(a_record(100 * number + n + 1, frames=n)) for n in range(100)]
        put(tmp_path, f"{number:04d}.jsonl", *records)

    loaded = load(sqlite, tmp_path, NOON + timedelta(days=9), done.append)

    assert loaded.records == 3_000 and loaded.files == sum(done) == 30
    assert 2 <= len(done) < 10


def test_old_records_are_forgotten_and_devices_are_not(sqlite, tmp_path):
    """A device that is silent for a year is still on the list."""
    put(tmp_path, "a.jsonl", line(a_record(1)), line(a_record(120)), b"rubbish\n")
    load(sqlite, tmp_path, NOON)

    assert forget(sqlite, NOON - timedelta(days=1) + timedelta(hours=1)) == 1
    assert count(sqlite, DEVICE_TELEMETRY) == 1
    assert forget(sqlite, NOON + timedelta(days=1)) == 1
    assert len(read_devices(sqlite, NOON)) == 1
    assert count(sqlite, REJECTED_TELEMETRY) == 0


def test_looking_back_shows_each_device_as_it_was(database, tmp_path):
    """By its newest record of until then; one that had none yet is left out."""
    put(tmp_path, "a.jsonl", *(line(a_record(n, fps=float(n))) for n in (1, 2, 30, 31)))
    put(tmp_path, "a.jsonl", line(a_record(40, device="later")), device="later")
    load(database, tmp_path, NOON)
    then = NOON - timedelta(days=1) + timedelta(minutes=30)

    (device,) = read_devices(database, then, looking_back=True)
    assert (device.device, device.fps, device.last_seen) == ("camera-7", 30.0, then)
    assert device.first_seen == then - timedelta(minutes=29)
    assert sum(hour.seconds for hour in device.hours) == 180.0
    assert read_devices(database, NOON - timedelta(days=9), looking_back=True) == []


def test_looking_back_changes_nothing_that_is_known(tmp_path):
    """Neither are judgements overwritten, nor is more forgotten than by now is due."""

    def a_run(as_of, looking_back):
        run = CollectionRun(
            inbox=tmp_path / "inbox",
            home=tmp_path,
            url=f"sqlite:///{tmp_path / 'fleet.db'}",
            run_id="run-1",
            as_of=as_of,
            limits=Limits(),
            keep=timedelta(days=30),
            looking_back=looking_back,
        )
        load_inbox(run, NOON, lambda _files: None)
        return run, {device.device: one.health for device, one in judge_devices(run)}

    put(tmp_path / "inbox", "a.jsonl", line(a_record(1)), line(a_record(1_440)))
    run, now = a_run(NOON, False)
    back = a_run(NOON - timedelta(hours=20), True)[1]
    ahead = a_run(NOON + timedelta(days=900), True)[1]

    assert (now, back) == ({"camera-7": "ok"}, {"camera-7": "late"})
    assert ahead == {"camera-7": "silent"}
    with run.database.transaction(writes=False) as connection:
        health = connection.execute(sa.select(DEVICES.c.health, DEVICES.c.judged_at)).one()
    assert health == ("ok", NOON)
    assert count(run.database, DEVICE_TELEMETRY) == 2


def test_hours_of_a_device_add_up(database, tmp_path):
    """Frames over seconds per hour of the last day; starts and troubles are counted."""
    records = [
        a_record(1, uptime_s=60.0),
        a_record(2, uptime_s=120.0, state="stuck"),
        a_record(3, uptime_s=20.0, interval_s=20.0, frames=100, temperature_c=77.0),
        a_record(61, uptime_s=3_000.0, state="rolled-back"),
    ]
    put(tmp_path, "a.jsonl", *map(line, records))
    load(database, tmp_path, NOON)

    (device,) = read_devices(database, NOON - timedelta(hours=2))
    first, second = device.hours
    assert (first.frames, first.seconds, first.dropped) == (1_900, 140.0, 9)
    assert (first.starts, first.stuck, first.rolled_back) == (2, 1, 0)
    assert (second.starts, second.stuck, second.rolled_back) == (0, 0, 1)
    assert first.temperature_c == 77.0
    assert first.fps == pytest.approx(1_900 / 140)


def test_inbox_that_is_not_there_holds_nothing(sqlite, tmp_path):
    """A new installation; a file in its place is an error."""
    assert load(sqlite, tmp_path / "absent", NOON) == Loaded()
    (tmp_path / "file").write_text("x")
    with pytest.raises(InboxError, match="file"):
        load(sqlite, tmp_path / "file", NOON)


def test_batch_is_written_whole_under_a_name_of_its_own(tmp_path):
    """The same bytes at the same second are one file; nothing else is left behind."""
    body = line(a_record(1))
    first = write_batch(tmp_path, "camera-7", body, NOON)
    again = write_batch(tmp_path, "camera-7", body, NOON)
    other = write_batch(tmp_path, "camera-7", line(a_record(2)), NOON)

    assert first == again != other
    assert sorted(path.name for path in (tmp_path / "camera-7").iterdir()) == sorted(
        [first.name, other.name]
    )
    (folder,) = list_devices(tmp_path)
    arrivals = list(read_arrivals(folder, 10))
    assert {json.loads(arrival.content)["seq"] for arrival in arrivals} == {1, 2}
