"""What an answer costs, in pages of PostgreSQL, does not depend on how busy its keys are."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from services.fraud.state.buckets import MOST_ROWS
from services.fraud.state.state import NEW, Transaction
from services.fraud.transactions.features import DAY_S
from tests.services.fraud.driven import InPostgres, PostgresPlace
from tests.services.fraud.streams import START, snapshot, stream

AS_OF = START + 60 * DAY_S
BUSY, BUSIER = 2_000, 20_000  # transactions of a customer, or at a terminal
DELAYED = AS_OF - 8 * DAY_S  # what terminals' windows see of transactions at the end


@pytest.fixture
def place(fresh_postgres_url: str) -> PostgresPlace:
    return PostgresPlace(fresh_postgres_url)


@contextmanager
def filled(place: PostgresPlace, folder: Path, rows: int, lasts_s: int) -> Iterator[InPostgres]:
    """A state with one customer and one terminal, by their number of transactions."""
    place.clear()
    with closing(place.open()) as state:
        table = stream(rows, keys=(1, 1))
        draw = np.random.default_rng(0)
        table["time"] = np.sort(DELAYED - draw.integers(0, lasts_s, rows))
        state.load(snapshot(table, AS_OF, folder))
        yield state


def pages(state: InPostgres, query: str, *values: object) -> int:
    """How many pages PostgreSQL looks at for a statement, once its plans are made."""
    explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}"
    [[plan]] = state._session.row(explain, values)
    return int(plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"])


def asking(state: InPostgres, at: int) -> int:
    return pages(state, "SELECT fraud_state.ask(%s, '0', '0', %s)", "new", at)


def recording(state: InPostgres, key: str, at: int) -> int:
    windows = state.query(f"SELECT windows('0', '0', {at}, {NEW})")[0][0]
    values = (key, at, windows)
    query = "SELECT fraud_state.record(%s, '0', '0', 500, %s, %s, ''::bytea, NULL, '30s')"
    return pages(state, query, *values)


@pytest.mark.parametrize("lasts_s", [1, 3_600, 28 * DAY_S])
def test_work_for_an_answer_does_not_grow_with_the_keys_transactions(place, tmp_path, lasts_s):
    """In a month, an hour or one second; new, late, where windows begin; and that of a label."""
    label = "SELECT fraud_state.label(ARRAY['7'], ARRAY[1], ARRAY[1.0])"
    moments = {"new": AS_OF + 100, "late": DELAYED, "edge": DELAYED + 7 * DAY_S}

    def work(rows: int) -> dict[str, int]:
        with filled(place, tmp_path, rows, lasts_s) as state:
            for at in moments.values():  # plans are made
                asking(state, at), recording(state, f"first-{at}", at)
            pages(state, label.replace("7", "8"))
            found = {f"ask {name}": asking(state, at) for name, at in moments.items()}
            found |= {f"record {name}": recording(state, name, at) for name, at in moments.items()}
            return {**found, "label": pages(state, label)}

    small, large = work(BUSY), work(BUSIER)
    for name, least in small.items():
        assert large[name] < 2 * least, name


def test_key_that_becomes_busy_is_counted_once(place):
    """Soon after there are more transactions than are read one by one, and not before."""
    with closing(place.open()) as state:
        for number in range(MOST_ROWS + 150):
            sale = Transaction(str(number), "0", "0", 500, START + number)
            state.once(sale, lambda _windows: b"")
            if number == MOST_ROWS - 1:
                assert state.query("SELECT * FROM busy_keys") == []
        assert sorted(state.query("SELECT kind, key FROM busy_keys")) == [(0, "0"), (1, "0")]
