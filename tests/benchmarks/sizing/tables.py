"""What a million rows take: tables in SQLite and PostgreSQL, and published scores in Parquet.

Rows are made as the panels make them, each table goes by its panel's own code into a database of
its own, and is measured with all its indexes: some ten thousands of them, scaled.
"""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tests.benchmarks.soak.stack import Postgres

if TYPE_CHECKING:
    from services.fraud.state.state import Decide, State, Transaction

ROWS = 100_000
TRANSACTIONS = 20_000  # of the state, which takes them one after another
AT_ONCE = 2_000  # rows of a night's part, or of the log's file
MODEL = "fraud_detector:20261122-220738-839869"
Found = dict[str, Any]


def measure(scratch: Path) -> Found:
    """Megabytes per million rows, by where they lie and by table."""
    found: Found = {
        "sqlite": {},
        "postgres": {},
        "parquet": {"review_sentiment": _parquet(scratch)},
    }
    with ExitStack() as stack:
        server = Postgres(scratch / "data", stack)
        for name, (rows, load) in LOADS.items():
            file = scratch / f"{name}.db"
            load(f"sqlite:///{file}")
            found["sqlite"][name] = _per_million(_file_size(file), rows)
            url = server.create(name)
            load(url)
            found["postgres"][name] = _per_million(_database_size(url), rows)
    return found


def render(found: Found) -> list[str]:
    """A table in Markdown."""
    lines = ["| MB per million rows | SQLite | PostgreSQL | Parquet |", "|---|---|---|---|"]
    for name in LOADS:
        cells = (found[place].get(name) for place in ("sqlite", "postgres", "parquet"))
        shown = ("-" if cell is None else f"{cell:,.0f}" for cell in cells)
        lines.append(f"| `{name}` | " + " | ".join(shown) + " |")
    return lines


def _scores(url: str) -> None:
    from tasks.sentiment.sql.tables import ScoredRow
    from tasks.sentiment.sql.warehouse import Warehouse

    digest = sha256(b"model").hexdigest()
    now = datetime.now(UTC)
    with closing(Warehouse(url)) as warehouse:
        warehouse.prepare()
        for part in _parts():
            rows = []
            for number in part:
                probability = _probability(number)
                label = "POSITIVE" if probability >= 0.5 else "NEGATIVE"
                score = max(probability, 1 - probability)
                of_text = sha256(str(number).encode()).hexdigest()
                row = ScoredRow(
                    "shop",
                    f"r{number}",
                    label,
                    score,
                    probability,
                    model="triptych-sentiment",
                    model_digest=digest,
                    text_digest=of_text,
                    run_id="20261122T220738Z-3f2a91",
                    run_date=date(2026, 11, 22),
                    scored_at=now,
                )
                rows.append(row)
            warehouse.load_scores(rows)


def _predictions(url: str) -> None:
    from services.fraud.log.database import Database
    from services.fraud.log.rows import PREDICTIONS
    from services.storage.database import begin

    now = time.time()
    with closing(Database(url, patience_s=10)) as database:
        database.prepare()
        for part in _parts():
            rows = [_prediction(number, now) for number in part]
            with database.connect() as connection, begin(connection, writes=True):
                PREDICTIONS.insert(connection, rows)


def _prediction(number: int, now: float) -> tuple[Any, ...]:
    """A row of the log, as `Detector` writes it."""
    features = [57.16, 0.0, 0.0, 1.0, 57.16, 5.0, 48.9, 41.0, 54.1, 2.0, 0.0, 6.0, 0.0, 27.0, 0.0]
    of_day = int(now) - 86_400 + number % 86_400
    keys = (str(number), str(number % 5_000), str(number % 10_000))
    return (
        f"{int(now * 1e9) + number:016x}{sha256(str(number).encode()).hexdigest()[:16]}",
        "/score_transaction",
        *keys,
        57.16,
        of_day,
        now + number / 1_000,
        MODEL,
        _probability(number),
        0.013191449921578169,
        False,
        *(None, None),  # no shadow
        34_201.0,
        None,
        0.4321,
        features,
        None,
    )


def _labels(url: str) -> None:
    from services.fraud.log.database import Database
    from services.fraud.log.rows import LABELS
    from services.storage.database import begin

    now = time.time()
    with closing(Database(url, patience_s=10)) as database:
        database.prepare()
        for part in _parts():
            rows = [(str(number), number % 100 == 0, now, now) for number in part]
            with database.connect() as connection, begin(connection, writes=True):
                LABELS.insert(connection, rows)


def _state(url: str) -> None:
    from services.fraud.state.in_file.file_state import FileState
    from services.fraud.state.in_postgres.postgres_state import PostgresState
    from services.fraud.state.state import PATIENCE_S

    file = sa.make_url(url).database if url.startswith("sqlite") else None
    state = FileState(Path(file), patience_s=PATIENCE_S) if file else PostgresState(url)
    with closing(state):
        asyncio.run(_fill(state))


async def _fill(state: "State") -> None:
    from services.fraud.state.state import Transaction

    now = int(time.time())
    for number in range(TRANSACTIONS):
        keys = (str(number), str(number % 5_000), str(number % 10_000))
        transaction = Transaction(*keys, 100 + number, now - TRANSACTIONS + number)
        decide = _deciding(_answer(number))
        while not await _is_recorded(state, transaction, decide):
            await asyncio.sleep(0.05)  # the machine was too busy


async def _is_recorded(state: "State", transaction: "Transaction", decide: "Decide") -> bool:
    from services.fraud.errors import StateUnavailable

    try:
        return (await state.once(transaction, decide)).recorded
    except StateUnavailable:  # not within a request's patience
        return False


def _deciding(answer: bytes) -> "Decide":
    return lambda windows, covered: answer


def _answer(number: int) -> bytes:
    """As long as one of /score_transaction."""
    names = ("TERMINAL_ID_RISK_7DAY_WINDOW", "TERMINAL_ID_RISK_30DAY_WINDOW")
    reasons = [
        {"feature": name, "value": _probability(number), "typical": 0.0, "effect": -3.7226}
        for name in (*names, "CUSTOMER_ID_AVG_AMOUNT_30DAY_WINDOW")
    ]
    answer = {
        "is_fraud": False,
        "probability": _probability(number),
        "threshold": 0.013191449921578169,
        "model": MODEL,
        "request_id": sha256(str(number).encode()).hexdigest()[:32],
        "transaction_id": str(number),
        "reasons": reasons,
        "state_age_s": 34_201.0,
        "degraded": [],
    }
    return json.dumps(answer, separators=(",", ":")).encode()


def _parquet(scratch: Path) -> float:
    """Published scores, without the columns that a run carries."""
    import pyarrow as pa

    from tasks.sentiment.run.partitions import SCORES
    from tasks.sentiment.run.plan import write_parquet

    now, file = datetime.now(UTC), scratch / "scores.parquet"
    probability = [_probability(number) for number in range(ROWS)]
    columns: dict[str, Any] = {
        "source": ["shop"] * ROWS,
        "review_id": [f"r{number}" for number in range(ROWS)],
        "label": ["POSITIVE" if each >= 0.5 else "NEGATIVE" for each in probability],
        "score": [round(max(each, 1 - each), 6) for each in probability],
        "positive_probability": probability,
        "model": ["triptych-sentiment"] * ROWS,
        "model_digest": [sha256(b"model").hexdigest()] * ROWS,
        "run_id": ["20261122T220738Z-3f2a91"] * ROWS,
        "run_date": ["2026-11-22"] * ROWS,
        "scored_at": [now + timedelta(seconds=number // AT_ONCE) for number in range(ROWS)],
    }
    write_parquet(pa.table(columns, schema=SCORES), file)
    return _per_million(file.stat().st_size, ROWS)


LOADS: dict[str, tuple[int, Callable[[str], None]]] = {
    "review_sentiment": (ROWS, _scores),
    "fraud_predictions": (ROWS, _predictions),
    "fraud_labels": (ROWS, _labels),
    "fraud_state": (TRANSACTIONS, _state),
}


def _parts() -> Iterator[range]:
    yield from (range(start, start + AT_ONCE) for start in range(0, ROWS, AT_ONCE))


def _probability(number: int) -> float:
    """A number in [0, 1) whose digits no compression foresees."""
    return int(sha256(str(number).encode()).hexdigest()[:13], 16) / 16**13


def _file_size(file: Path) -> int:
    engine = sa.create_engine(f"sqlite:///{file}", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text("PRAGMA wal_checkpoint(TRUNCATE)"))
    return file.stat().st_size


def _database_size(url: str) -> int:
    query = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND"
    query += " relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)"
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return int(connection.execute(sa.text(query)).scalar_one())


def _per_million(size: int, rows: int) -> float:
    return round(size / rows, 1)  # bytes a row are MB a million
