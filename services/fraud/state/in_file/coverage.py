"""What the history in a file covers: its facts, and how labels and snapshots stretch them."""

import sqlite3
from typing import Any

from services.fraud.state.completeness import KEPT_S, Coverage

SINCE, AS_OF, LABELLED_UNTIL = "since", "as_of", "labelled_until"
KEEP = "INSERT OR REPLACE INTO facts VALUES (?, ?)"

# A state of the last version: its snapshot's rows tell from when on they are there.
SCHEMA = f"""
INSERT INTO facts SELECT '{SINCE}', max(
    ifnull((SELECT min(time) FROM transactions WHERE answer IS NULL), value + 1),
    value - {KEPT_S} + 1
) FROM facts WHERE name = '{AS_OF}' AND value IS NOT NULL;
INSERT INTO facts SELECT '{LABELLED_UNTIL}', value FROM facts
WHERE name = '{AS_OF}' AND value IS NOT NULL;
CREATE TRIGGER labels_reach AFTER UPDATE OF labelled_at ON transactions
WHEN NEW.time > ifnull((SELECT value FROM facts WHERE name = '{LABELLED_UNTIL}'), -1)
BEGIN
    UPDATE facts SET value = NEW.time WHERE name = '{LABELLED_UNTIL}';
    INSERT INTO facts SELECT '{LABELLED_UNTIL}', NEW.time
    WHERE NOT EXISTS (SELECT 1 FROM facts WHERE name = '{LABELLED_UNTIL}');
END;
"""


def read_coverage(connection: sqlite3.Connection) -> Coverage | None:
    """What the history covers, by the snapshots loaded; None without any."""
    known = facts(connection)
    if AS_OF not in known:
        return None
    return Coverage(known[SINCE], known[AS_OF], known.get(LABELLED_UNTIL))


def write_coverage(connection: sqlite3.Connection, loaded: Coverage) -> Coverage:
    """Join what is covered with what a snapshot has brought."""
    covered = loaded.after(read_coverage(connection), facts(connection).get(LABELLED_UNTIL))
    stored = {SINCE: covered.since, AS_OF: covered.as_of, LABELLED_UNTIL: covered.labelled_until}
    connection.executemany(KEEP, list(stored.items()))
    return covered


def facts(connection: sqlite3.Connection) -> dict[str, Any]:
    """What is known of the history beside its transactions, by name."""
    return dict(connection.execute("SELECT name, value FROM facts"))
