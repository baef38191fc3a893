"""The state's tables and functions on PostgreSQL, `schema.sql`: made where they are missing."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from services.fraud.errors import StateUnavailable
from services.fraud.state.buckets import (
    CUSTOMER,
    LENGTHS_S,
    LOOK_EVERY,
    MOST_IN_SECOND,
    MOST_ROWS,
    SECOND,
    TERMINAL,
    add_up,
)
from services.fraud.state.state import NEW
from services.fraud.transactions.features import DAY_S, DELAY_DAYS, WINDOWS_DAYS

if TYPE_CHECKING:
    from services.fraud.state.in_postgres.session import Session

VERSION = 1
TURN = 20_261_129  # advisory lock of whoever makes it: any number, the same in every process
ID_SEED, CUSTOMER_SEED, TERMINAL_SEED = range(3)  # of the numbers that keys are locked by
_FILE = Path(__file__).with_name("schema.sql")
_PRESENT = "SELECT to_regclass('fraud_state.facts') IS NOT NULL"
_VERSION = "SELECT version FROM fraud_state.facts"


def is_there(session: "Session") -> bool:
    """Whether the state is there, of this version.

    Raises: StateUnavailable: it is of another version, or cannot be asked.
    """
    if not session.row(_PRESENT)[0]:
        return False
    version = session.row(_VERSION)[0]
    if version != VERSION:
        raise session.refuse(
            f"its schema fraud_state is of version {version}, and this program knows {VERSION}:"
            " run the program that fits it, or drop the schema, which is rebuilt from the snapshot"
        )
    return True


def make(session: "Session") -> None:
    """Make the state where it is missing; any number of processes may do so at once.

    Raises: StateUnavailable: the database refused, or keeps texts in another way than UTF-8.
    """
    if is_there(session):
        return
    encoding = session.row("SHOW server_encoding")[0]
    if encoding != "UTF8":
        raise session.refuse(f"it keeps texts in {encoding}: give a database in UTF8")
    try:
        # Sent as one, it is one transaction.
        session.run(f"SELECT pg_advisory_xact_lock({TURN}); {text()}")
    except StateUnavailable:
        if not is_there(session):  # another process has made it while this one waited
            raise


def text() -> str:
    """The statements of `schema.sql`."""
    levels = ", ".join(f"({level}, {length})" for level, length in enumerate(LENGTHS_S))
    added = add_up("fraud_state.bucket_counts", "busy", "after_end", "until")
    sums = [f"sum_{place}" for place in range(2 * len(WINDOWS_DAYS))]
    words = {
        "VERSION": VERSION,
        "CUSTOMER": CUSTOMER,
        "TERMINAL": TERMINAL,
        "SECOND": SECOND,
        "NEW": NEW,
        "ID_SEED": ID_SEED,
        "CUSTOMER_SEED": CUSTOMER_SEED,
        "TERMINAL_SEED": TERMINAL_SEED,
        "MOST_ROWS": MOST_ROWS,
        "MOST_IN_SECOND": MOST_IN_SECOND,
        "LOOK_EVERY": LOOK_EVERY,
        "LEVELS": levels,
        "DELAY_S": DELAY_DAYS * DAY_S,
        "LONGEST_S": max(WINDOWS_DAYS) * DAY_S,
        "CUSTOMER_COUNTS": _counts("cents", "at"),
        "TERMINAL_COUNTS": _counts("is_fraud", "delayed"),
        "ADD_UP": added,
        "SUMS": ", ".join(f"coalesce({name}, 0)::bigint" for name in sums),
        "SUM_NAMES": ", ".join(sums),
        # Plans are made once for a session, perhaps while the tables are still empty.
        # What may not scan is reckoned to be dear, and would be compiled each time, for longer than
        # it runs.
        "PLANS": "SET enable_seqscan = off SET plan_cache_mode = force_generic_plan SET jit = off",
        "PATIENCE": "SET lock_timeout = '10s'",
    }
    return re.sub(r"\{([A-Z_]+)\}", lambda found: str(words[found[1]]), _FILE.read_text("utf-8"))


def _counts(value: str, end: str) -> str:
    """SQL: per window that ends at `end`, how many rows, and the sum of a column."""
    return ", ".join(
        f'count(*) FILTER (WHERE "time" > {start}),'
        f' coalesce(sum({value}) FILTER (WHERE "time" > {start}), 0)::bigint'
        for start in (f"{end} - {days * DAY_S}" for days in WINDOWS_DAYS)
    )
