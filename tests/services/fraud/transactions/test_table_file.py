"""Files with columns: read by names, or refused with what is wrong and where."""

import gzip
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.fraud.audit.labels import read_labels
from services.fraud.errors import TransactionsError
from services.fraud.transactions.columns import Column
from services.fraud.transactions.table_file import Wanted, read_columns
from services.fraud.transactions.transactions import read_transactions

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
WANTED = (
    Wanted("transaction_id", "TRANSACTION_ID"),
    Wanted("is_fraud", "TX_FRAUD"),
    Wanted("labelled_at", required=False),
)
HEADER = "transaction_id,is_fraud\n"


def written(path: Path, content: str | bytes) -> Path:
    data = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def cells(columns: dict[str, Column]) -> list[list[str]]:
    return [column.values.to_pylist() for column in columns.values()]


@pytest.mark.parametrize("name", ["f.csv", "f.csv.gz", "F.CSV"])
@pytest.mark.parametrize(
    "content",
    [
        "transaction_id,is_fraud\na,1\nb,0\n",
        "\ufefftransaction_id,is_fraud\na,1\nb,0",
        "transaction_id,is_fraud\r\na,1\r\nb,0\r\n",
        "transaction_id,is_fraud\ra,1\rb,0\r",
        "\n\ntransaction_id,is_fraud\n\na,1\n  \n\nb,0\n\n",
        '"transaction_id","is_fraud"\n"a","1"\n"b","0"\n',
        "is_fraud,transaction_id\n1,a\n0,b\n",
        "Transaction_ID, IS_FRAUD\na,1\nb,0\n",
        "TRANSACTION_ID,TX_FRAUD,TX_FRAUD_SCENARIO\na,1,2\nb,0,0\n",
        "note,transaction_id,is_fraud\nx,a,1\n,b,0\n",
        ",transaction_id,is_fraud\n0,a,1\n1,b,0\n",
        "x,x,transaction_id,is_fraud\n,,a,1\n,,b,0\n",
        'transaction_id,is_fraud,note\na,1,"one, two"\nb,0,"a ""new""\nline"\n',
        "transaction_id,is_fraud,\na,1,\nb,0,\n",
        'transaction_id,is_fraud,note\na,1,5" disk\nb,0,Café\n',
    ],
)
def test_columns_are_found_by_their_names(tmp_path, name, content):
    """Wherever they stand, whatever stands beside them, and however lines end."""
    assert cells(read_columns(written(tmp_path / name, content), WANTED)) == [
        ["a", "b"],
        ["1", "0"],
    ]


REFUSED: dict[str, tuple[str | bytes, str]] = {
    "surplus cell": (HEADER + "a,1\nb,0,1\n", "row 2: 3 fields, the header has 2; a cell with"),
    "surplus comma inside": (HEADER + "x,a,1\n", "row 1: 3 fields, the header has 2"),
    "trailing comma on each row": (HEADER + "a,1,\nb,0,\n", "row 1: 3 fields, the header has 2"),
    "trailing comma on one row": (HEADER + "a,1\nb,0,\n", "row 2: 3 fields, the header has 2"),
    "missing cell": (HEADER + "a,1\nb\nc,0\n", "row 2: 1 fields, the header has 2"),
    "row after blank lines": (HEADER + "\n\na,1\n\nb\n", "row 2: 1 fields"),
    "column twice": (
        "transaction_id,is_fraud,is_fraud\na,1,0\n",
        "2 columns are called is_fraud; leave the one that counts",
    ),
    "both names": (
        "transaction_id,TRANSACTION_ID,is_fraud\na,9,1\n",
        "more than one column transaction_id or TRANSACTION_ID; leave the one that counts",
    ),
    "two spellings": (
        "transaction_id,is_fraud, Is_Fraud\na,1,0\n",
        "more than one column is_fraud or Is_Fraud",
    ),
    "optional column twice": (
        "transaction_id,is_fraud,labelled_at,labelled_at\na,1,,\n",
        "2 columns are called labelled_at",
    ),
    "column missing": (
        "id,is_fraud\na,1\n",
        "no column transaction_id (or TRANSACTION_ID)",
    ),
    "semicolons": (
        "transaction_id;is_fraud\na;1\n",
        "its columns are separated by semicolons; write it with commas",
    ),
    "tabs": ("is_fraud\ttransaction_id\n1\ta\n", "its columns are separated by tabs"),
    "bars": ('"transaction_id"|"is_fraud"\n"a"|"1"\n', "its columns are separated by bars"),
    "semicolons and decimal commas": (
        "transaction_id;amount, EUR;is_fraud\na;1,5;1\n",
        "its columns are separated by semicolons",
    ),
    "quote not closed": (HEADER + '"a,1\nb,0\n', "row 1: a quote that is not closed"),
    "quote not closed, later": (HEADER + 'a,1\n"b,0\nc,1\n', "row 2: a quote that is not closed"),
    "quote closed by the next": (HEADER + '"a,1\nb,0\n"c",1\n', "row 1: a quote"),
    "quote alone within quotes": (HEADER + '"a "b" c",1\n', "row 1: a quote"),
    "quote not closed in the header": ('"transaction_id,is_fraud\na,1\n', "the header: a quote"),
    "quote not closed in a long file": (HEADER + '"a,1\n' + "b,0\n" * 60_000, "row 1: a quote"),
    "NUL": (HEADER + "a,1\nb\0,0\n", "row 2 has a NUL byte"),
    "NUL in another column": ("transaction_id,is_fraud,x\na,1,\0\n", "row 1 has a NUL byte"),
    "Latin-1": (HEADER.encode() + b"a,1\ncaf\xe9,0\n", "row 2 has other bytes; save it as UTF-8"),
    "Latin-1 in the header": (b"transaction_id,is_fraud,caf\xe9\n", "the header has other bytes"),
    "UTF-16": ((HEADER + "a,1\n").encode("utf-16"), "it is UTF-16: save it as UTF-8"),
    "UTF-16 without a mark": ((HEADER + "a,1\n").encode("utf-16-le"), "the header has a NUL byte"),
    "UTF-16, big end first": (b"\xfe\xff" + HEADER.encode("utf-16-be"), "it is UTF-16"),
    "nothing but blank lines": ("\n \n\n", "is empty"),
    "nothing": ("", "is empty"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_file_of_another_form_is_refused_with_the_place(tmp_path, case):
    """By the row or the name of the column, in one line."""
    content, message = REFUSED[case]
    with pytest.raises(TransactionsError) as caught:
        read_columns(written(tmp_path / "f.csv", content), WANTED)

    assert str(caught.value).startswith("f.csv: ") and message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__context__ is None


@pytest.mark.parametrize("case", REFUSED)
def test_labels_are_read_by_the_same_rules(tmp_path, case):
    """None of these loads a label, but for other separators, which the columns tell surely."""
    if "are separated by" in REFUSED[case][1]:
        [label] = read_labels(written(tmp_path / "f.csv", REFUSED[case][0]), NOW)
        assert (label.transaction_id, label.is_fraud) == ("a", True)
        return
    with pytest.raises(TransactionsError):
        read_labels(written(tmp_path / "f.csv", REFUSED[case][0]), NOW)


def test_transactions_are_read_by_the_same_rules(tmp_path):
    """A surplus comma shifts nothing, and the separator is named."""
    header = "transaction_id,customer_id,terminal_id,amount,time,is_fraud,note\n"
    row = "t,ann,till,1.00,2018-06-11 00:00,0,x,\n"
    with pytest.raises(TransactionsError, match=r"row 1: 8 fields, the header has 7; a cell"):
        read_transactions(written(tmp_path / "a.csv", header + row))
    with pytest.raises(TransactionsError, match="separated by semicolons"):
        read_transactions(written(tmp_path / "b.csv", (header + row).replace(",", ";")))


def test_missing_columns_are_all_named(tmp_path):
    """Those of somebody else's table."""
    file = written(tmp_path / "f.csv", "Time,V1,Amount,Class\n0,-1.1,149.62,0\n")
    with pytest.raises(TransactionsError) as caught:
        read_transactions(file)

    assert str(caught.value) == (
        "f.csv: no column transaction_id and no column customer_id and no column terminal_id"
        " (or TRANSACTION_ID and CUSTOMER_ID and TERMINAL_ID)"
    )


def test_errors_hold_no_values(tmp_path):
    """Neither the message nor what it came from: a traceback in a log would show it."""
    card = "4000123412341234"
    for number, row in enumerate(
        [f"{card},1,{card}", f'"{card},1', f"{card}\0,1", f"{card},{card}", f"{card}\tx,1"]
    ):
        with pytest.raises(TransactionsError) as caught:
            read_labels(written(tmp_path / f"{number}.csv", f"{HEADER}{row}\n"), NOW)
        error: BaseException | None = caught.value
        while error is not None:
            assert card not in str(error)
            error = error.__cause__ or error.__context__


def test_rows_of_many_chunks_stay_in_their_order(tmp_path):
    """And the row at fault is counted through all of them."""
    lines = [f"t-{number},{number % 2}" for number in range(120_000)]
    file = written(tmp_path / "f.csv", HEADER + "\n".join(lines))
    assert cells(read_columns(file, WANTED))[0] == [line.partition(",")[0] for line in lines]
    with file.open("a") as opened:
        opened.write("\nx\n")
    with pytest.raises(TransactionsError, match="row 120001: 1 fields"):
        read_columns(file, WANTED)


def test_file_of_a_header_alone_has_no_labels_and_is_none_of_transactions(tmp_path):
    """A night without labels is a night like others; nothing can be learnt from no transactions."""
    assert read_labels(written(tmp_path / "f.csv", HEADER), NOW) == []
    header = "transaction_id,customer_id,terminal_id,amount,time\n"
    with pytest.raises(TransactionsError, match="holds no transactions"):
        read_transactions(written(tmp_path / "t.csv", header))


def parquet(path: Path, *columns: tuple[str, pa.Array]) -> Path:
    names = [name for name, _ in columns]
    pq.write_table(pa.Table.from_arrays([values for _, values in columns], names), path)
    return path


def test_columns_of_parquet_go_by_the_same_names(tmp_path):
    """In any case, but never two of one name."""
    ids, frauds = ("TRANSACTION_id", pa.array([17, 18])), (" is_fraud", pa.array([True, False]))
    found = read_labels(parquet(tmp_path / "a.parquet", ids, frauds), NOW)
    assert [(label.transaction_id, label.is_fraud) for label in found] == [
        ("17", True),
        ("18", False),
    ]
    twice = parquet(tmp_path / "b.parquet", ids, frauds, ("is_fraud", pa.array([False, True])))
    with pytest.raises(TransactionsError, match=r"more than one column is_fraud or is_fraud|2 col"):
        read_labels(twice, NOW)
    same = parquet(tmp_path / "c.parquet", frauds, ids, ids)
    with pytest.raises(TransactionsError, match="2 columns are called TRANSACTION_id"):
        read_labels(same, NOW)


def test_numbers_with_decimals_are_no_ids_of_labels_either(tmp_path):
    """A tool that turned whole numbers into decimals would label transactions that nobody knows."""
    file = parquet(
        tmp_path / "a.parquet",
        ("transaction_id", pa.array([17.0, 18.0])),
        ("is_fraud", pa.array([1, 0])),
    )
    with pytest.raises(TransactionsError, match="holds double, not text or whole numbers"):
        read_labels(file, NOW)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([date(2026, 11, 3), None]), ["2026-11-03", None]),
        (pa.array(["2026-11-03", ""]), ["2026-11-03", None]),
        (pa.array([None, "2026-11-03T00:00:00.250+01:00"]), [None, "2026-11-02T23:00:00.250"]),
        (pa.array([None, None]), [None, None]),
        (pa.array([1_000, None], pa.timestamp("ms")), ["1970-01-01T00:00:01", None]),
    ],
)
def test_labels_are_of_their_time_or_of_now(tmp_path, values, expected):
    """Whatever kind of column it stands in."""
    ids, frauds = pa.array(["a", "b"]), pa.array([True, False])
    file = parquet(
        tmp_path / "a.parquet",
        ("transaction_id", ids),
        ("is_fraud", frauds),
        ("labelled_at", values),
    )
    found = {label.transaction_id: label.labelled_at for label in read_labels(file, NOW)}

    assert found == {
        key: datetime.fromisoformat(
            f"{time}+00:00" if "T" in time else f"{time}T00:00+00:00"
        ).timestamp()
        if time
        else NOW.timestamp()
        for key, time in zip(("a", "b"), expected, strict=True)
    }


def test_row_of_a_wrong_time_is_counted_with_those_without(tmp_path):
    """Rows that have no time are rows."""
    file = written(
        tmp_path / "f.csv",
        "transaction_id,is_fraud,labelled_at\na,1,\nb,0,\nc,1,28/11/2026\n",
    )
    with pytest.raises(TransactionsError, match=r"column labelled_at, row 3: not a date and time"):
        read_labels(file, NOW)
