"""Promises of the snapshot that the night leaves for the service."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from services.fraud.audit.answers import (
    epoch_s,
    read_all_labels,
    read_transactions_between,
)
from services.fraud.audit.nightly_snapshot import snapshot_of_file, snapshot_of_log
from services.fraud.errors import TransactionsError
from services.fraud.log.database import Database
from services.fraud.log.rows import LABELS
from services.fraud.log.tables import Label
from services.fraud.state import snapshot
from services.fraud.state.completeness import Coverage
from services.fraud.state.snapshot import (
    COLUMNS,
    GIVEN,
    SIMULATED,
    coverage_of,
    read_pointer,
    read_snapshot,
    write_snapshot,
)
from services.fraud.training.training_folder import TrainingFolder
from services.fraud.transactions.features import DAY_S, HISTORY_DAYS, HOUR_S
from services.fraud.transactions.fields import as_id
from services.fraud.transactions.foreign import Reading
from services.fraud.transactions.mapping import ColumnMapping
from services.fraud.transactions.transactions import write_transactions
from tests.services.fraud.answered import RUN_DATE, draw_traffic, write_traffic
from tests.services.fraud.streams import stream


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'log.db'}"


@pytest.fixture
def database(url: str) -> Database:
    database = Database(url)
    database.prepare()
    return database


def current(home: Path) -> pd.DataFrame:
    pointer = read_pointer(home)
    assert pointer is not None
    rows = [row for part in read_snapshot(pointer) for row in part]
    return pd.DataFrame(rows, columns=list(COLUMNS)).set_index("transaction_id")


def test_nothing_is_written_where_there_is_nothing(database, tmp_path):
    """A new home keeps none."""
    assert snapshot_of_log(RUN_DATE, database, tmp_path) is None
    assert read_pointer(tmp_path) is None


def test_answered_transactions_are_added_to_the_snapshot(database, url, tmp_path):
    """With the labels that have come, those of transactions before too, and each once."""
    first = RUN_DATE - timedelta(days=4)
    before, after = draw_traffic(first, 2, 50), draw_traffic(first + timedelta(days=2), 3, 50)
    write_traffic(url, before, labelled=False)
    one = snapshot_of_log(RUN_DATE - timedelta(days=2), database, tmp_path)
    assert one is not None and (one.rows, one.frauds) == (100, 0)
    write_traffic(url, after)
    late = before.table["transaction_id"].iloc[3]
    with database.transaction(writes=True) as connection:
        LABELS.insert(connection, [Label(late, True, 1.0, 2.0)])

    two = snapshot_of_log(RUN_DATE, database, tmp_path)

    # The last day is the run date itself, which is not over.
    assert two is not None and two.rows == 200
    rows = current(tmp_path)
    assert rows.index.is_unique and rows["time"].is_monotonic_increasing
    assert bool(rows.loc[late, "is_fraud"])
    truth = after.table.set_index("transaction_id")["label"]
    there = rows.index.intersection(truth.index)
    assert len(there) == 100
    assert (rows.loc[there, "is_fraud"] == truth.loc[there]).all()
    amounts = after.table.set_index("transaction_id")["features"].map(lambda row: row[0])
    assert (rows.loc[there, "cents"] == (amounts.loc[there] * 100).round()).all()

    again = snapshot_of_log(RUN_DATE, database, tmp_path)
    assert again == two


def test_answers_of_before_the_source_changed_stay_out(database, url, tmp_path, monkeypatch):
    """Those to simulated transactions, in every night after; the last of them is no end either."""
    first = RUN_DATE - timedelta(days=4)
    switch = first + timedelta(days=2)
    monkeypatch.setattr(snapshot, "time", SimpleNamespace(time=lambda: float(epoch_s(switch))))
    table, as_of = stream(10).astype(dict.fromkeys(COLUMNS[:3], str)), epoch_s(first)
    table["time"] += as_of - table["time"].max()
    write_snapshot(table, as_of, tmp_path, source=SIMULATED)
    write_traffic(url, draw_traffic(first, 2, 50))
    write_snapshot(table, as_of, tmp_path, source=GIVEN)

    early = snapshot_of_log(switch, database, tmp_path)
    assert early is not None and (early.rows, early.as_of) == (len(current(tmp_path)), as_of)
    assert set(current(tmp_path).index) <= set(table["transaction_id"])

    own = draw_traffic(switch, 2, 50)
    write_traffic(url, own)
    for _night in range(2):
        snapshot_of_log(RUN_DATE, database, tmp_path)
        added = set(current(tmp_path).index) - set(table["transaction_id"])
        assert added == set(own.table["transaction_id"])


def test_snapshot_keeps_what_features_look_back_on(database, url, tmp_path):
    """Older transactions leave it."""
    first = RUN_DATE - timedelta(days=HISTORY_DAYS + 10)
    write_traffic(url, draw_traffic(first, HISTORY_DAYS + 10, 5))
    written = snapshot_of_log(RUN_DATE, database, tmp_path)
    rows = current(tmp_path)
    assert written is not None and written.rows == len(rows)
    assert rows["time"].min() > written.as_of - (HISTORY_DAYS + 1) * DAY_S
    assert written.as_of == rows["time"].max() < epoch_s(RUN_DATE)


def test_replayed_past_does_not_empty_the_snapshot(database, url, tmp_path):
    """Transactions of years ago, audited today: the snapshot ends where they end."""
    write_traffic(url, draw_traffic(RUN_DATE - timedelta(days=900), 3, 50))
    written = snapshot_of_log(RUN_DATE, database, tmp_path)
    assert written is not None and written.rows == 150


@pytest.mark.parametrize("labelled", [True, False])
def test_file_becomes_the_snapshot(database, tmp_path, labelled):
    """Its own labels, and those that have arrived since."""
    table = pd.DataFrame(
        {
            "transaction_id": ["a", "b", "c"],
            "customer_id": ["1", "2", "3"],
            "terminal_id": ["4", "5", "6"],
            "cents": [100, 200, 300],
            "time": [1_530_000_000, 1_530_000_060, 1_530_000_120],
        }
    )
    if labelled:
        table["is_fraud"] = [True, False, False]
    write_transactions(table, tmp_path / "t.parquet")
    with database.transaction(writes=True) as connection:
        LABELS.insert(connection, [Label("c", True, 1.0, 2.0)])

    written = snapshot_of_file(tmp_path / "t.parquet", database, tmp_path)

    assert written.source == "t.parquet" and written.as_of == 1_530_000_120
    assert current(tmp_path)["is_fraud"].tolist() == [labelled, False, True]


def test_a_file_that_reaches_into_the_future_replaces_no_snapshot(database, tmp_path):
    """One row of 2099 would end the history there, and nothing real would be within its reach."""
    table = pd.DataFrame(
        {
            "transaction_id": ["a", "b"],
            "customer_id": ["1", "2"],
            "terminal_id": ["4", "5"],
            "cents": [100, 200],
            "time": [epoch_s(RUN_DATE) - DAY_S, epoch_s(RUN_DATE) - HOUR_S],
        }
    )
    write_transactions(table, tmp_path / "t.parquet")
    now = datetime(RUN_DATE.year, RUN_DATE.month, RUN_DATE.day, tzinfo=UTC)
    written = snapshot_of_file(tmp_path / "t.parquet", database, tmp_path, now)
    table.loc[table.index[-1], "time"] = epoch_s(RUN_DATE.replace(year=2099))
    write_transactions(table, tmp_path / "t.parquet")
    with pytest.raises(TransactionsError, match="lies in the future"):
        snapshot_of_file(tmp_path / "t.parquet", database, tmp_path, now)
    pointer = read_pointer(tmp_path)
    assert pointer is not None and pointer.as_of == written.as_of


def covered(home: Path) -> Coverage:
    pointer = read_pointer(home)
    assert pointer is not None
    return coverage_of(pointer)


def answered_on(url: str, *days_before: int, labelled: bool = False) -> None:
    for days in days_before:
        write_traffic(url, draw_traffic(RUN_DATE - timedelta(days=days), 1, 20), labelled=labelled)


def test_log_without_a_snapshot_covers_what_was_answered(database, url, tmp_path):
    """From the first answer on; without a label, none is known."""
    answered_on(url, 4, 3, 2)
    snapshot_of_log(RUN_DATE, database, tmp_path)
    times = current(tmp_path)["time"]
    assert covered(tmp_path) == Coverage(int(times.min()), int(times.max()), None)


def test_snapshot_and_log_together_cover_both(database, url, tmp_path):
    """Night by night, with labels up to the newest transaction that has one."""
    answered_on(url, 6, 5, labelled=True)
    snapshot_of_log(RUN_DATE - timedelta(days=4), database, tmp_path)
    first = covered(tmp_path)
    answered_on(url, 4, 3)
    snapshot_of_log(RUN_DATE - timedelta(days=2), database, tmp_path)
    second = covered(tmp_path)
    assert second.since == first.since and second.as_of > first.as_of
    answers = read_transactions_between(database, 0, second.as_of)
    labels = read_all_labels(database)
    labelled = answers[answers["transaction_id"].isin(labels.index)]
    assert second.labelled_until == labelled["time"].max()


@pytest.mark.parametrize(("pause_h", "since_day"), [(36, 2), (24 * 9, 12)])
def test_history_begins_after_a_pause_in_the_log(database, url, tmp_path, pause_h, since_day):
    """A service that was away for days: what it missed is not taken for quiet days."""
    answered_on(url, 12, 11)
    snapshot_of_log(RUN_DATE - timedelta(days=10), database, tmp_path)
    answered_on(url, 2, 1)
    snapshot_of_log(RUN_DATE, database, tmp_path, pause_h * HOUR_S)
    day = epoch_s(RUN_DATE - timedelta(days=since_day))
    assert day <= covered(tmp_path).since < day + DAY_S


@pytest.mark.parametrize("labelled", [True, False])
def test_file_covers_what_is_between_its_first_and_last_row(database, tmp_path, labelled):
    """With its labels, if it has any."""
    table = draw_file(labelled=labelled)
    write_transactions(table, tmp_path / "t.parquet")
    snapshot_of_file(tmp_path / "t.parquet", database, tmp_path)
    first, last = int(table["time"].min()), int(table["time"].max())
    assert covered(tmp_path) == Coverage(first, last, last if labelled else None)


def draw_file(*, labelled: bool) -> pd.DataFrame:
    table: pd.DataFrame = stream(50, days=10).astype(dict.fromkeys(COLUMNS[:3], str))
    return table if labelled else table.drop(columns="is_fraud")


def test_file_with_other_names_is_read_as_training_reads_it(database, tmp_path):
    """And told; labels of the log know nothing of rows that are numbered."""
    with database.transaction(writes=True) as connection:
        LABELS.insert(connection, [Label("1", True, 1.0, 2.0)])
    file = tmp_path / "paysim.csv"
    file.write_text(
        "step;type;amount;nameOrig;nameDest;isFraud\n1;CASH_OUT;9,64;C1;M1;0\n2;TRANSFER;-1;C2;M1;1\n"
    )
    now = datetime(2026, 11, 22, tzinfo=UTC)
    with pytest.raises(TransactionsError, match="--refunds drop"):
        snapshot_of_file(file, database, tmp_path, now)

    written = snapshot_of_file(
        file, database, tmp_path, now, Reading(refunds="drop", run_date=RUN_DATE)
    )

    assert (written.rows, written.frauds) == (1, 0)
    assert current(tmp_path)["cents"].tolist() == [964]
    assert {"columns", "delimiter", "decimals", "refunds", "labels"} <= written.assumed.keys()

    later = snapshot_of_log(RUN_DATE, database, tmp_path)
    assert later is not None and (later.rows, later.frauds) == (1, 0)
    pointer = read_pointer(tmp_path)
    assert pointer is not None and pointer.source == GIVEN

    file.write_text(
        "transaction_id|customer_id|terminal_id|amount|time\n1|a|b|1.5|2026-11-01T10:00\n"
    )
    written = snapshot_of_file(file, database, tmp_path, now)
    assert (written.rows, written.frauds, written.assumed) == (1, 1, {"delimiter": "bars"})
    assert later.steps_back is None and written.steps_back is not None
    assert written.steps_back.startswith("ends at 2026-11-01T10:00:00Z, before the current one, 2")


@pytest.mark.parametrize("trained_on", [True, False])
def test_ids_of_numbered_rows_are_none_that_a_caller_can_send(database, tmp_path, trained_on):
    """Else a live transaction "1" would be one that is known with another content."""
    file = tmp_path / "paysim.csv"
    file.write_text("step,type,amount,nameOrig,nameDest,isFraud\n1,A,9.64,C1,M1,0\n2,B,1,C2,M1,0\n")
    now, reading = datetime(2026, 11, 22, tzinfo=UTC), Reading(run_date=RUN_DATE)
    if trained_on:
        training = TrainingFolder(tmp_path / "training")
        training.read(file, now, reading)
        training.write_snapshot(tmp_path, file)
    else:
        snapshot_of_file(file, database, tmp_path, now, reading)
    ids = list(current(tmp_path).index)
    assert len(set(ids)) == 2
    for one in ids:
        with pytest.raises(ValueError, match="begins or ends with a blank"):
            as_id(one)


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("id;card;shop;amt;paid", "transaction_id=id,customer_id=card,terminal_id=shop,amount=amt"),
        ("trans_num;cc_num;merchant;amt;trans_date_trans_time", None),
    ],
)
def test_history_needs_no_labels_whatever_its_columns_are_called(
    database, tmp_path, header, columns
):
    """Said or recognised; labels of the log are found by its ids."""
    with database.transaction(writes=True) as connection:
        LABELS.insert(connection, [Label("7", True, 1.0, 2.0)])
    file = tmp_path / "history.csv"
    file.write_text(f"{header}\n7;a;b;1.5;2026-11-01T10:00\n8;a;b;2.5;2026-11-01T10:01\n")
    mapping = ColumnMapping.parse(f"{columns},time=paid") if columns else None
    written = snapshot_of_file(file, database, tmp_path, reading=Reading(columns=mapping))
    assert (written.rows, written.frauds) == (2, 1)
    asked = Reading(columns=ColumnMapping.parse("is_fraud=bad"))
    with pytest.raises(TransactionsError, match="no column bad"):
        snapshot_of_file(file, database, tmp_path, reading=asked)
