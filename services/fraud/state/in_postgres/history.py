"""What is written into the state beside requests: snapshots, labels, and the removal of old rows.

All of it goes in chunks, each a statement of its own, so that a request waits for one chunk at
most; what a killed process leaves half done is done by repeating it.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any, TypeVar

from services.fraud.state.completeness import KEPT_S, Coverage
from services.fraud.state.in_postgres.address import StateAddress
from services.fraud.state.in_postgres.session import Session
from services.fraud.state.snapshot import Pointer, are_others, coverage_of, read_snapshot
from services.fraud.state.state import Label, Loaded

CHUNK_ROWS = 200
TURN = 20_261_130  # advisory lock of whoever loads: any number, the same in every process
LOAD_S = 600.0  # a load, or one statement of it: the first of millions of rows is one
T = TypeVar("T")

_LABEL = "SELECT fraud_state.label(%s, %s, %s)"
_FACTS = "SELECT since, as_of, labelled_until, snapshot, source FROM fraud_state.facts"
_COVER = (
    "UPDATE fraud_state.facts SET since = %s, as_of = %s, labelled_until = %s"
    " WHERE (since, as_of, labelled_until)"
    " IS NOT DISTINCT FROM (%s::bigint, %s::bigint, %s::bigint)"
)
_LOADED = "UPDATE fraud_state.facts SET snapshot = %s, source = coalesce(%s, source)"
_BEGIN_LATER = "UPDATE fraud_state.facts SET since = greatest(since, %s) WHERE since IS NOT NULL"
_INCOMING = (
    "CREATE TEMPORARY TABLE incoming (transaction_id text, customer_id text, terminal_id text,"
    ' cents bigint, "time" bigint, is_fraud integer, number bigint) ON COMMIT DROP'
)
_TAKE_IN = "SELECT * FROM fraud_state.take_in(%s, %s, %s, %s, %s, %s)"


def facts(session: Session) -> tuple[Coverage | None, str | None, str | None]:
    """What the history covers, the digest of the snapshot loaded last, and whose rows they are."""
    since, as_of, labelled_until, snapshot, source = session.row(_FACTS)
    covered = None if as_of is None else Coverage(since, as_of, labelled_until)
    return covered, snapshot, source


def write_labels(session: Session, labels: Iterable[Label]) -> int:
    """Set labels; how many of them are of known transactions.

    The others are kept until their transaction comes, or `prune` finds them too old.
    """
    known = 0
    for chunk in _chunks(labels):
        ids, frauds, ats = (list(values) for values in zip(*chunk, strict=True))
        values = (ids, list(map(int, frauds)), list(map(float, ats)))
        while (done := session.row(_LABEL, values)[0]) is None:
            pass  # a transaction has come meanwhile: once more
        known += done
    return known


def load(address: StateAddress, pointer: Pointer) -> Loaded:
    """Take in a snapshot; one process at a time, and who comes later finds it done.

    A row whose transaction was answered changes nothing but its label, and that only to fraud, and
    only if no label of it came here: the snapshot may be older. What an earlier snapshot gave
    otherwise is replaced: the file that it was read from has been corrected.

    Raises: StateUnavailable: the snapshot cannot be read, or is of another source than the state,
        or the database refuses.
    """
    with (
        closing(Session(address)) as holder,
        closing(Session(address, patience_s=LOAD_S)) as session,
        holder.transaction(LOAD_S),
    ):
        holder.row(f"SELECT pg_advisory_xact_lock({TURN})")
        _, snapshot, source = facts(session)
        if snapshot == pointer.digest:
            return Loaded()
        if are_others(source, pointer.source):
            raise session.refuse(
                f"snapshot {pointer.file} is not loaded: the state holds {source} transactions,"
                f" with which {pointer.source} ones are not mixed: stop the services, drop the"
                " schema fraud_state, and start again"
            )
        coverage = coverage_of(pointer)
        loaded = _load_at_once(session, pointer) or _load_beside(session, pointer)
        covered = _cover(session, coverage)
        session.run(_LOADED, (pointer.digest, pointer.source))
        return replace(loaded, removed=prune(session, covered.as_of - KEPT_S))


def prune(session: Session, before: int) -> int:
    """Remove the transactions older than a time; how many there were.

    Labels as old whose transaction never came go too.
    """
    session.run(_BEGIN_LATER, (before,))
    while session.row("SELECT fraud_state.forget_labels(%s)", (before,))[0]:
        pass
    query = 'SELECT seq FROM fraud_state.transactions WHERE "time" < %s'
    old = [seq for (seq,) in session.rows(query, (before,))]
    remove = "SELECT fraud_state.remove(%s)"
    removed = sum(int(session.row(remove, (seqs,))[0]) for seqs in _chunks(old))
    session.run(
        "DELETE FROM fraud_state.busy_keys AS busy WHERE NOT EXISTS"
        " (SELECT FROM fraud_state.bucket_counts WHERE busy_key = busy.id)"
    )
    return removed


def _cover(session: Session, loaded: Coverage) -> Coverage:
    """Join what is covered with what a snapshot has brought; labels may come meanwhile."""
    while True:
        since, as_of, labelled_until, *_ = known = session.row(_FACTS)
        before = None if as_of is None else Coverage(since, as_of, labelled_until)
        covered = loaded.after(before, labelled_until)
        new = (covered.since, covered.as_of, covered.labelled_until)
        if session.run(_COVER, (*new, *known[:3])):
            return covered


def _load_at_once(session: Session, pointer: Pointer) -> Loaded | None:
    """Into an empty state: in one transaction. None if it is not empty."""
    if session.rows("SELECT FROM fraud_state.transactions LIMIT 1"):
        return None
    with session.transaction(LOAD_S):
        session.run(_INCOMING)
        numbers = itertools.count()
        rows = (
            (*row[:-1], int(row[-1]), number)
            for row, number in zip(_rows(pointer), numbers, strict=False)
        )
        session.copy("COPY incoming FROM STDIN", rows)
        added = session.row("SELECT fraud_state.take_in_all()")[0]
    if added is None:
        return None
    for table in ("transactions", "bucket_counts"):
        session.run(f"VACUUM (ANALYZE) fraud_state.{table}")
    return Loaded(added)


def _load_beside(session: Session, pointer: Pointer) -> Loaded:
    added = labelled = replaced = 0
    for rows in read_snapshot(pointer, CHUNK_ROWS):
        columns: list[list[Any]] = [list(values) for values in zip(*rows, strict=True)]
        columns[-1] = list(map(int, columns[-1]))
        more = session.row(_TAKE_IN, columns)
        added, labelled, replaced = added + more[0], labelled + more[1], replaced + more[2]
    return Loaded(added, labelled, replaced=replaced)


def _rows(pointer: Pointer) -> Iterator[tuple[Any, ...]]:
    return itertools.chain.from_iterable(read_snapshot(pointer))


def _chunks(rows: Iterable[T]) -> Iterator[Sequence[T]]:
    rows = iter(rows)
    while chunk := list(itertools.islice(rows, CHUNK_ROWS)):
        yield chunk
