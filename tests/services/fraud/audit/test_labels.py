"""Promises of the file of late labels."""

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from services.fraud.audit.labels import load_labels, read_labels
from services.fraud.errors import TransactionsError
from services.fraud.log.database import Database
from tests.services.fraud.answered import RUN_DATE, draw_traffic, write_traffic

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)


def a_file(folder: Path, *lines: str) -> Path:
    file = folder / "labels.csv"
    file.write_text("\n".join(("transaction_id,is_fraud,labelled_at", *lines)))
    return file


def test_labels_are_loaded_and_unknown_ones_counted(database_url, tmp_path):
    """All are kept: the answer may still be on its way."""
    traffic = draw_traffic(RUN_DATE, days=1, per_day=6_000)
    write_traffic(database_url, traffic, labelled=False)
    ids = [*traffic.table["transaction_id"], "stranger"]
    file = tmp_path / "labels.parquet"
    pd.DataFrame({"transaction_id": ids, "is_fraud": [True, *[False] * 6_000]}).to_parquet(file)

    database = Database(database_url)
    for _ in range(2):
        loaded = load_labels(file, database, NOW)
        assert (loaded.labels, loaded.frauds, loaded.unknown) == (6_001, 1, 1)
    with database.transaction(writes=False) as connection:
        counted = "SELECT count(*), sum(CASE WHEN is_fraud THEN 1 ELSE 0 END) FROM fraud_labels"
        assert tuple(connection.execute(sa.text(counted)).one()) == (6_001, 1)
    database.close()


def test_latest_label_of_a_transaction_counts(tmp_path):
    """Equal labels twice are no mistake either; a label without its time is of now."""
    rows = ["a,1,2026-11-02T10:00:00Z", "a,0,2026-11-03 10:00:00+01:00", "b,true,", "b,TRUE,"]
    labels = {label.transaction_id: label for label in read_labels(a_file(tmp_path, *rows), NOW)}
    assert {key: label.is_fraud for key, label in labels.items()} == {"a": False, "b": True}
    assert labels["a"].labelled_at == datetime(2026, 11, 3, 9, tzinfo=UTC).timestamp()
    assert labels["b"].labelled_at == labels["b"].received_at == NOW.timestamp()


def test_whole_numbers_as_ids_are_their_digits(tmp_path):
    """As everywhere; the Handbook's column names are understood."""
    file = tmp_path / "labels.parquet"
    pd.DataFrame({"TRANSACTION_ID": [17, 18], "TX_FRAUD": [1, 0]}).to_parquet(file)
    assert [(one.transaction_id, one.is_fraud) for one in read_labels(file, NOW)] == [
        ("17", True),
        ("18", False),
    ]


@pytest.mark.parametrize(
    "content",
    ["trans_num;is_fraud\na;1\n", "TransactionID\tisFraud\tlabelled_at\na\t1\t2026-11-03\n"],
)
def test_labels_of_public_data_sets_are_known_by_their_names(tmp_path, content):
    """With any delimiter."""
    file = tmp_path / "labels.csv"
    file.write_text(content)
    assert [(one.transaction_id, one.is_fraud) for one in read_labels(file, NOW)] == [("a", True)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["a,1,", "b,maybe,"], "column is_fraud, row 2: not 0, 1, true or false"),
        (["a,1,", "b,,"], "column is_fraud, row 2"),
        ([",1,"], "column transaction_id, row 1: blank"),
        (["a,1,yesterday"], "column labelled_at, row 1: not a date and time"),
        (["a,1,2031-01-01T00:00:00Z"], "column labelled_at, row 1: in the future"),
        (["a,1,", "a,0,"], "row 1: another row labels this transaction otherwise"),
    ],
)
def test_wrong_row_is_named_and_nothing_is_loaded(tmp_path, rows, message):
    """By column and row, from 1; contradictions of the same time are no guess of ours."""
    with pytest.raises(TransactionsError, match=message) as caught:
        read_labels(a_file(tmp_path, *rows), NOW)
    assert "maybe" not in str(caught.value)


def test_file_that_is_none_is_refused(tmp_path):
    """Missing, of another kind, or without the columns."""
    (tmp_path / "x.csv").write_text("id,fraud\n1,0\n")
    (tmp_path / "x.parquet").write_bytes(b"PAR1 no")
    (tmp_path / "x.xlsx").write_bytes(b"")
    for name, message in {
        "none.csv": "does not exist",
        "x.csv": "no column transaction_id and no column is_fraud",
        "x.parquet": "cannot be read",
        "x.xlsx": "neither",
    }.items():
        with pytest.raises(TransactionsError, match=message):
            read_labels(tmp_path / name, NOW)
