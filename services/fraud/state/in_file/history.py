"""What is written into the state beside requests: snapshots, labels, and the removal of old rows.

All of it goes in chunks with pauses between them, so that a request waits for one chunk at
most; what a killed process leaves half done is done by repeating it.
"""

import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any, TypeVar

from services.fraud.errors import StateUnavailable
from services.fraud.state.completeness import KEPT_S
from services.fraud.state.in_file.busy_keys import count_again, forget_idle, stop_counting
from services.fraud.state.in_file.coverage import KEEP, SINCE, facts, write_coverage
from services.fraud.state.in_file.state_file import INDICES, LONG_PATIENCE_S, StateFile
from services.fraud.state.snapshot import Pointer, Row, are_others, coverage_of, read_snapshot
from services.fraud.state.state import Label, Loaded
from services.storage.locks import FileLock

CHUNK_ROWS = 200  # the lock is held for some 2 ms, or 40 where all are of busy keys
PAUSE_S = 0.001
BULK_CACHE_KIB = 32 * 1_024
LOADED_ASK_EVERY_S = 0.02
SOURCE = "source"  # the fact whose transactions the state holds

_INSERT = (
    "INSERT OR IGNORE INTO transactions"
    " (transaction_id, customer_id, terminal_id, cents, time, is_fraud) VALUES (?, ?, ?, ?, ?, ?)"
)
_OTHERWISE = (  # known from a snapshot, with other content; an answer is for what was sent
    "SELECT 1 FROM transactions WHERE transaction_id = ? AND answer IS NULL"
    " AND (customer_id, terminal_id, cents, time) <> (?, ?, ?, ?)"
)
_LABEL_WAITS = (
    "INSERT OR REPLACE INTO early_labels SELECT transaction_id, is_fraud, labelled_at"
    " FROM transactions WHERE transaction_id = ? AND answer IS NULL AND labelled_at IS NOT NULL"
)
_TAKE_OUT = "DELETE FROM transactions WHERE transaction_id = ? AND answer IS NULL"
_RAISE = (
    "UPDATE transactions SET is_fraud = 1"
    " WHERE transaction_id = ? AND NOT is_fraud AND labelled_at IS NULL"
)
_LABEL = (
    "UPDATE transactions SET is_fraud = iif(labelled_at > ?3, is_fraud, ?2),"
    " labelled_at = max(ifnull(labelled_at, ?3), ?3) WHERE transaction_id = ?1"
)
_LABEL_EARLY = (
    "INSERT INTO early_labels (transaction_id, is_fraud, labelled_at) SELECT ?1, ?2, ?3"
    " WHERE NOT EXISTS (SELECT 1 FROM transactions WHERE transaction_id = ?1)"
    " ON CONFLICT (transaction_id) DO UPDATE"
    " SET is_fraud = excluded.is_fraud, labelled_at = excluded.labelled_at"
    " WHERE excluded.labelled_at >= early_labels.labelled_at"
)
_BEGIN_LATER = f"UPDATE facts SET value = max(value, ?) WHERE name = '{SINCE}'"

T = TypeVar("T")


def load(file: StateFile, pointer: Pointer) -> Loaded:
    """Take in a snapshot; one process at a time, and who comes later finds it done.

    A row whose transaction was answered changes nothing but its label, and that only to fraud, and
    only if no label of it came here: the snapshot may be older. What an earlier snapshot gave
    otherwise is replaced: the file that it was read from has been corrected.

    Raises:
        StateUnavailable: the snapshot cannot be read, or is of another source than the state.
        sqlite3.Error: the state cannot be written.
    """
    with closing(FileLock(file.path.with_name(f"{file.path.name}.loading"))) as lock:
        while not lock.acquire(LONG_PATIENCE_S, LOADED_ASK_EVERY_S):
            pass  # its holder is at work: otherwise the lock would have fallen
        known = facts(file.connection)
        if known.get("snapshot") == pointer.digest:
            return Loaded()
        if are_others(held := known.get(SOURCE), pointer.source):
            raise StateUnavailable(
                f"snapshot {pointer.file} is not loaded: the state holds {held} transactions, with"
                f" which {pointer.source} ones are not mixed: stop the service, remove"
                f" {file.path.name}* in {file.path.parent}, and start again"
            )
        coverage = coverage_of(pointer)
        loaded = _load_at_once(file, pointer) or _load_beside(file, pointer)
        with file.writing() as connection:
            covered = write_coverage(connection, coverage)
            connection.execute(KEEP, ("snapshot", pointer.digest))
            if pointer.source is not None:
                connection.execute(KEEP, (SOURCE, pointer.source))
        removed = prune(file, covered.as_of - KEPT_S)
        file.shorten_log()
        return replace(loaded, removed=removed)


def write_labels(file: StateFile, labels: Iterable[Label]) -> int:
    """Set labels; how many of them are of known transactions.

    The others are kept until their transaction comes, or `prune` finds them too old.
    """
    known = 0
    for chunk in _chunks(labels):
        with file.writing(len(chunk)) as connection:
            known += connection.executemany(_LABEL, chunk).rowcount
            connection.executemany(_LABEL_EARLY, chunk)
        time.sleep(PAUSE_S)
    return known


def prune(file: StateFile, before: int) -> int:
    """Remove the transactions older than a time; how many there were.

    Labels as old whose transaction never came go too.
    """
    with file.writing() as connection:
        connection.execute(_BEGIN_LATER, (before,))
    query = "SELECT transaction_id FROM early_labels WHERE labelled_at < ?"
    for keys in _chunks(file.connection.execute(query, (before,)).fetchall()):
        _write(file, "DELETE FROM early_labels WHERE transaction_id = ?", keys)
    found = file.connection.execute("SELECT seq FROM transactions WHERE time < ?", (before,))
    old = found.fetchall()  # without an index: once a night, and no writer waits for a reader
    delete = "DELETE FROM transactions WHERE seq = ?"
    removed = sum(_write(file, delete, chunk) for chunk in _chunks(old))
    with file.writing() as connection:
        forget_idle(connection)
    return removed


def _load_at_once(file: StateFile, pointer: Pointer) -> Loaded | None:
    """Into an empty state: in one transaction, indices last. None if it is not empty."""
    connection = file.connection
    connection.execute(f"PRAGMA cache_size = -{BULK_CACHE_KIB}")
    with file.writing():
        if connection.execute("SELECT 1 FROM transactions LIMIT 1").fetchone():
            return None
        for name in INDICES:
            connection.execute(f"DROP INDEX {name}")
        stop_counting(connection)  # by triggers, which look into the indices
        added = sum(
            connection.executemany(_INSERT, rows).rowcount for rows in read_snapshot(pointer)
        )
        for name, columns in INDICES.items():
            connection.execute(f"CREATE INDEX {name} ON {columns}")
        count_again(connection)
    return Loaded(added)


def _load_beside(file: StateFile, pointer: Pointer) -> Loaded:
    added = labelled = replaced = 0
    for rows in read_snapshot(pointer, CHUNK_ROWS):
        replaced += _replace(file, rows)
        added += _write(file, _INSERT, rows)
        labelled += _write(file, _RAISE, [(row[0],) for row in rows if row[-1]])
    return Loaded(added, labelled, replaced=replaced)


def _replace(file: StateFile, rows: Sequence[Row]) -> int:
    """Bring what earlier snapshots gave otherwise to what this one says; how many rows.

    Their labels that came here wait for a moment, as those of transactions that are still to come.
    """
    known = file.connection.execute
    others = [row for row in rows if known(_OTHERWISE, row[:-1]).fetchone()]
    if not others:
        return 0
    keys = [row[:1] for row in others]
    with file.writing(len(others)) as connection:
        connection.executemany(_LABEL_WAITS, keys)
        connection.executemany(_TAKE_OUT, keys)
        replaced = connection.executemany(_INSERT, others).rowcount
    time.sleep(PAUSE_S)
    return replaced


def _write(file: StateFile, statement: str, rows: Sequence[tuple[Any, ...] | Row]) -> int:
    """Run a statement for each of some rows in one transaction; how many rows it changed."""
    if not rows:
        return 0
    with file.writing(len(rows)) as connection:
        changed = connection.executemany(statement, rows).rowcount
    time.sleep(PAUSE_S)
    return changed


def _chunks(rows: Iterable[T]) -> Iterator[list[T]]:
    rows = iter(rows)
    while chunk := list(itertools.islice(rows, CHUNK_ROWS)):
        yield chunk
