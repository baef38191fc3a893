"""Counts of busy customers and terminals, kept by the state's file itself; see `buckets`.

The counts are kept by triggers, so that whoever writes transactions or labels, in whatever order,
leaves them right: they are whole numbers, and change in the same SQL transaction.
"""

import sqlite3
from dataclasses import dataclass

from services.fraud.state.buckets import (
    CUSTOMER,
    LENGTHS_S,
    LOOK_EVERY,
    MOST_IN_SECOND,
    MOST_ROWS,
    SECOND,
    TERMINAL,
)

_TABLES = """
CREATE TABLE busy_keys (
    id INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,  -- 0: a customer, 1: a terminal
    key TEXT NOT NULL,
    UNIQUE (kind, key)
);
CREATE TABLE bucket_counts (
    busy_key INTEGER NOT NULL,
    level INTEGER NOT NULL,  -- 0 to 3: seconds, minutes, hours, days
    bucket INTEGER NOT NULL,  -- time divided by the bucket's length
    rows INTEGER NOT NULL,
    total INTEGER NOT NULL,  -- a customer's cents, a terminal's frauds
    PRIMARY KEY (busy_key, level, bucket)
) WITHOUT ROWID;
CREATE TABLE second_places (  -- of transactions in a second that holds many of a customer's
    seq INTEGER PRIMARY KEY,
    rows INTEGER NOT NULL,  -- what came before it in its second
    total INTEGER NOT NULL
);
CREATE TRIGGER bucket_emptied AFTER UPDATE OF rows ON bucket_counts WHEN NEW.rows = 0
BEGIN
    DELETE FROM bucket_counts
    WHERE busy_key = NEW.busy_key AND level = NEW.level AND bucket = NEW.bucket;
END;
"""


@dataclass(frozen=True)
class _Kind:
    """What is counted of customers, or of terminals."""

    number: int
    name: str
    column: str
    value: str

    def id_of(self, row: str) -> str:
        """SQL: the id of a row's key; null if it is not busy."""
        key = f"{row}.{self.column}"
        return f"(SELECT id FROM busy_keys WHERE kind = {self.number} AND key = {key})"


_KINDS = (
    _Kind(CUSTOMER, "customer", "customer_id", "cents"),
    _Kind(TERMINAL, "terminal", "terminal_id", "is_fraud"),
)
_TRIGGERS = (
    *(f"{kind.name}_{what}" for kind in _KINDS for what in ("counted", "uncounted")),
    "terminal_label_counted",
)


def schema() -> str:
    """SQL: tables and triggers, and the counts of what is there already."""
    once = [*map(_build_trigger, _KINDS), _places_trigger()]
    statements = [*once, *_triggers(), *_fill()]
    return _TABLES + "".join(f"{statement};" for statement in statements)


def stop_counting(connection: sqlite3.Connection) -> None:
    """Before many rows are written at once, in the same SQL transaction."""
    for name in _TRIGGERS:
        connection.execute(f"DROP TRIGGER {name}")


def count_again(connection: sqlite3.Connection) -> None:
    """After `stop_counting`: find what is busy now, and go on from there."""
    for table in ("busy_keys", "bucket_counts", "second_places"):
        connection.execute(f"DELETE FROM {table}")
    for statement in (*_triggers(), *_fill()):
        connection.execute(statement)


def forget_idle(connection: sqlite3.Connection) -> None:
    """Forget keys that have no transactions any more."""
    connection.execute(
        "DELETE FROM busy_keys WHERE NOT EXISTS"
        " (SELECT 1 FROM bucket_counts WHERE busy_key = busy_keys.id)"
    )


def _triggers() -> list[str]:
    """SQL: what counts each transaction that is written."""
    each = [make(kind) for kind in _KINDS for make in (_insert_trigger, _delete_trigger)]
    return [*each, _label_trigger(_KINDS[TERMINAL])]


def _fill() -> list[str]:
    """SQL: find what is busy among transactions that were not counted; that counts them."""
    return [
        f"INSERT INTO busy_keys (kind, key) SELECT {kind.number}, {kind.column}"
        f" FROM transactions GROUP BY {kind.column} HAVING count(*) > {MOST_ROWS}"
        for kind in _KINDS
    ]


# Mixed, so that keys which take turns are looked at too.
_LOOKED_AT = "(NEW.seq * 2654435761 >> 16)"


def _insert_trigger(kind: _Kind) -> str:
    """Counts a transaction of a busy key, or finds that its key has become busy.

    Upserts that say so themselves, and IGNORE: a transaction may be inserted with OR IGNORE,
    which would be the policy of any other statement in here as well. Nothing in here needs a
    temporary table, which would cost more than all the rest.
    """
    return f"""
CREATE TRIGGER {kind.name}_counted AFTER INSERT ON transactions
WHEN {kind.id_of("NEW")} IS NOT NULL OR ({_LOOKED_AT} % {LOOK_EVERY} = 0 AND EXISTS (
    SELECT 1 FROM transactions WHERE {kind.column} = NEW.{kind.column} LIMIT 1 OFFSET {MOST_ROWS}
))
BEGIN{_add(kind, "1", f"NEW.{kind.value}")}
    {_PLACE if kind.number == CUSTOMER else ""}
    INSERT OR IGNORE INTO busy_keys (kind, key) VALUES ({kind.number}, NEW.{kind.column});
END
"""


def _add(kind: _Kind, rows: str, total: str) -> str:
    """SQL: add to the buckets of a transaction, if its key is busy."""
    return "".join(
        f"""
    INSERT INTO bucket_counts SELECT id, {level}, NEW.time / {length}, {rows}, {total}
    FROM busy_keys WHERE kind = {kind.number} AND key = NEW.{kind.column}
    ON CONFLICT (busy_key, level, bucket)
    DO UPDATE SET rows = rows + excluded.rows, total = total + excluded.total;"""
        for level, length in enumerate(LENGTHS_S)
    )


# It does not change any more: whoever comes later into this second has a later place.
_PLACE = f"""INSERT INTO second_places SELECT NEW.seq, rows - 1, total - NEW.cents
    FROM bucket_counts WHERE busy_key = {_KINDS[CUSTOMER].id_of("NEW")}
    AND level = {SECOND} AND bucket = NEW.time AND rows > {MOST_IN_SECOND}
    ON CONFLICT DO NOTHING;"""


def _places_trigger() -> str:
    """Gives those who are there their places, once a second of a customer holds many."""
    return f"""
CREATE TRIGGER second_filled AFTER UPDATE OF rows ON bucket_counts
WHEN NEW.level = {SECOND} AND NEW.rows = {MOST_IN_SECOND + 1} AND NEW.rows > OLD.rows
BEGIN
    INSERT INTO second_places
    SELECT seq, row_number() OVER (ORDER BY seq) - 1, sum(cents) OVER (ORDER BY seq) - cents
    FROM transactions WHERE time = NEW.bucket
    AND customer_id = (SELECT key FROM busy_keys WHERE id = NEW.busy_key AND kind = {CUSTOMER})
    ON CONFLICT DO NOTHING;
END
"""


def _build_trigger(kind: _Kind) -> str:
    """Counts all transactions of a key that has become busy."""
    coarser = "".join(
        f"""
    INSERT INTO bucket_counts
    SELECT NEW.id, {level}, bucket / {length // LENGTHS_S[level - 1]}, sum(rows), sum(total)
    FROM bucket_counts WHERE busy_key = NEW.id AND level = {level - 1} GROUP BY 3;"""
        for level, length in enumerate(LENGTHS_S)
        if level
    )
    places = f"""
    INSERT INTO second_places
    SELECT seq, row_number() OVER (PARTITION BY time ORDER BY seq) - 1,
        sum(cents) OVER (PARTITION BY time ORDER BY seq) - cents
    FROM transactions WHERE customer_id = NEW.key AND time IN (
        SELECT bucket FROM bucket_counts
        WHERE busy_key = NEW.id AND level = {SECOND} AND rows > {MOST_IN_SECOND}
    ) ON CONFLICT DO NOTHING;"""
    return f"""
CREATE TRIGGER {kind.name}_busy AFTER INSERT ON busy_keys WHEN NEW.kind = {kind.number}
BEGIN
    INSERT INTO bucket_counts
    SELECT NEW.id, {SECOND}, time, count(*), sum({kind.value})
    FROM transactions WHERE {kind.column} = NEW.key GROUP BY time;{coarser}
    {places if kind.number == CUSTOMER else ""}
END
"""


def _delete_trigger(kind: _Kind) -> str:
    """Takes a transaction out of its buckets; an empty one goes by itself."""
    taken = "".join(
        f"""
    UPDATE bucket_counts SET rows = rows - 1, total = total - OLD.{kind.value}
    WHERE busy_key = {kind.id_of("OLD")} AND level = {level} AND bucket = OLD.time / {length};"""
        for level, length in enumerate(LENGTHS_S)
    )
    place = "DELETE FROM second_places WHERE seq = OLD.seq;"
    return f"""
CREATE TRIGGER {kind.name}_uncounted AFTER DELETE ON transactions
WHEN {kind.id_of("OLD")} IS NOT NULL
BEGIN{taken}
    {place if kind.number == CUSTOMER else ""}
END
"""


def _label_trigger(terminal: _Kind) -> str:
    """Upserts: a label that has waited may be set before its transaction is counted."""
    return f"""
CREATE TRIGGER terminal_label_counted AFTER UPDATE OF is_fraud ON transactions
WHEN NEW.is_fraud <> OLD.is_fraud AND {terminal.id_of("NEW")} IS NOT NULL
BEGIN{_add(terminal, "0", "NEW.is_fraud - OLD.is_fraud")}
END
"""
