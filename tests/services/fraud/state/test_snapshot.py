"""Snapshots: whole or not at all, and checked before they are believed."""

import json
import os
from pathlib import Path

import pandas as pd
import pytest

from services.fraud.errors import StateUnavailable, TransactionsError
from services.fraud.state.snapshot import (
    COLUMNS,
    GIVEN,
    POINTER,
    SIMULATED,
    Pointer,
    Row,
    check_source,
    folder,
    read_pointer,
    read_snapshot,
    state_path,
    write_snapshot,
)
from services.fraud.transactions.features import DAY_S
from tests.services.fraud.streams import START, stream

AS_OF = START + 60 * DAY_S


def current(home: Path) -> Pointer:
    pointer = read_pointer(home)
    assert pointer is not None
    return pointer


def rows_of(pointer: Pointer) -> list[Row]:
    return [row for chunk in read_snapshot(pointer, 100) for row in chunk]


def test_snapshot_gives_back_the_last_38_days_in_order(tmp_path):
    """Row by row, ids as text; the bound at the far end is left out, the near one is not."""
    table = stream(2_000)
    table.loc[len(table) - 1, "time"] = AS_OF
    path = write_snapshot(table, AS_OF, tmp_path)

    pointer = current(tmp_path)

    recent = table[table["time"] > AS_OF - 38 * DAY_S]
    expected = recent.astype(dict.fromkeys(COLUMNS[:3], str))[list(COLUMNS)]
    assert rows_of(pointer) == list(expected.itertuples(index=False, name=None))
    assert (pointer.file, pointer.as_of, pointer.rows) == (path, AS_OF, len(recent))


def test_simulated_and_given_transactions_are_not_mixed(tmp_path):
    """Once a state has begun with the one, the other is refused, both ways, with the way out."""
    table, state = stream(100), state_path(tmp_path)
    write_snapshot(table, AS_OF, tmp_path, source=SIMULATED)
    write_snapshot(table, AS_OF, tmp_path, source=GIVEN)  # no state has begun
    assert current(tmp_path).source == GIVEN
    state.touch()
    kept = current(tmp_path)
    write_snapshot(table, AS_OF, tmp_path, source=GIVEN)
    with pytest.raises(TransactionsError, match=r"holds given transactions.* remove state\.db\*"):
        write_snapshot(table, AS_OF + 1, tmp_path, source=SIMULATED)
    assert current(tmp_path) == kept
    state.unlink()
    write_snapshot(table, AS_OF, tmp_path, source=SIMULATED)
    state.touch()
    with pytest.raises(TransactionsError, match="holds simulated transactions, with which given"):
        check_source(tmp_path, GIVEN)


def test_snapshot_leaves_out_what_comes_after_its_time(tmp_path):
    """A table may reach further than the moment that is asked for."""
    table = stream(500)
    write_snapshot(table, START + 30 * DAY_S, tmp_path)
    assert len(rows_of(current(tmp_path))) == (table["time"] <= START + 30 * DAY_S).sum()


def test_snapshot_of_no_transactions_can_be_read(tmp_path):
    """A shop that has just opened."""
    write_snapshot(stream(10).iloc[:0], AS_OF, tmp_path)
    assert current(tmp_path).rows == 0
    assert rows_of(current(tmp_path)) == []


def test_snapshot_written_twice_is_one_file(tmp_path):
    """A night that is repeated changes nothing."""
    first = write_snapshot(stream(100), AS_OF, tmp_path)
    pointer = current(tmp_path)
    assert write_snapshot(stream(100), AS_OF, tmp_path) == first
    assert read_pointer(tmp_path) == pointer


def test_three_newest_snapshots_are_kept(tmp_path):
    """And nothing else lies about."""
    paths = [write_snapshot(stream(50), AS_OF + day, tmp_path) for day in range(5)]
    names = {path.name for path in paths[2:]}
    assert {path.name for path in folder(tmp_path).iterdir()} == {*names, POINTER}
    assert current(tmp_path).file == paths[-1]


@pytest.mark.parametrize("failing", [1, 2])
def test_snapshot_that_cannot_be_written_leaves_the_one_before(tmp_path, monkeypatch, failing):
    """Whether the disk is full at the snapshot or at the pointer."""
    write_snapshot(stream(50), AS_OF, tmp_path)
    before = current(tmp_path)
    calls = []

    def full(_handle: int) -> None:
        calls.append(1)
        if len(calls) == 2 * failing - 1:  # a file, its folder, the pointer, its folder
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_snapshot(stream(60), AS_OF + 1, tmp_path)

    assert read_pointer(tmp_path) == before
    assert len(rows_of(before)) == before.rows
    assert not list(folder(tmp_path).glob(".*"))


def test_no_pointer_means_no_snapshot(tmp_path):
    """Nothing has been written yet: that is no error."""
    assert read_pointer(tmp_path) is None


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        '"a"',
        "[" * 9_999,
        json.dumps({"file": "a.parquet", "as_of": float("inf"), "rows": 1, "digest": "0" * 64}),
        '{"file": "a.parquet"}',
        json.dumps({"file": "../a.parquet", "as_of": 1, "rows": 1, "digest": "0" * 64}),
        json.dumps({"file": "a.parquet", "as_of": "now", "rows": 1, "digest": "0" * 64}),
        json.dumps({"file": "a.parquet", "as_of": 1, "rows": 1, "digest": None}),
        json.dumps({"file": 7, "as_of": 1, "rows": 1, "digest": "0" * 64}),
    ],
)
def test_damaged_pointer_is_named(tmp_path, content):
    """The message says which file, and what to do."""
    folder(tmp_path).mkdir(parents=True)
    (folder(tmp_path) / POINTER).write_text(content)
    with pytest.raises(StateUnavailable, match=r"current\.json is damaged: write a snapshot again"):
        read_pointer(tmp_path)


def test_damaged_snapshot_yields_no_row(tmp_path):
    """One changed byte anywhere is found before the first row comes out."""
    path = write_snapshot(stream(500), AS_OF, tmp_path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(StateUnavailable, match="is damaged"):
        next(read_snapshot(current(tmp_path)))


def test_missing_snapshot_is_named(tmp_path):
    """Its pointer was left behind."""
    write_snapshot(stream(50), AS_OF, tmp_path).unlink()
    with pytest.raises(StateUnavailable, match="is gone"):
        next(read_snapshot(current(tmp_path)))


def test_snapshot_needs_labels_and_ids_of_their_own(tmp_path):
    """What would mislead the state is refused before anything is written."""
    with pytest.raises(TransactionsError, match="needs the columns is_fraud"):
        write_snapshot(stream(50).drop(columns="is_fraud"), AS_OF, tmp_path)
    with pytest.raises(TransactionsError, match="50 rows repeat a transaction_id"):
        write_snapshot(pd.concat([stream(50, days=30)] * 2), START + 30 * DAY_S, tmp_path)
    assert read_pointer(tmp_path) is None
