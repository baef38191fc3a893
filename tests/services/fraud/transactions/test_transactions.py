"""Files of transactions: taken as a whole, or refused with the row that is at fault."""

import gzip
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.fraud.errors import TransactionsError
from services.fraud.simulator import simulate
from services.fraud.transactions.fields import TIME_WANTED
from services.fraud.transactions.transactions import (
    data_digest,
    read_transactions,
    write_transactions,
)

HEADER = "transaction_id,customer_id,terminal_id,amount,time,is_fraud"
GOOD = {
    "transaction_id": "t1",
    "customer_id": "ann",
    "terminal_id": "till",
    "amount": "12.34",
    "time": "2018-06-11 02:07:03",
    "is_fraud": "0",
}
AT_S = 1_528_682_823  # the time above
DIGEST = "218004b33e982dd8e5ffade7326731312710888bb54aaffa408701bbed72d89e"


def csv(path: Path, *rows: dict[str, str], header: str = HEADER) -> Path:
    """A file with a good row, then good rows but for these cells."""
    lines = [header, ",".join(GOOD.values())]
    for number, cells in enumerate(rows, start=2):
        lines.append(",".join((GOOD | {"transaction_id": f"t{number}"} | cells).values()))
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def parquet(path: Path, **columns) -> Path:
    """A file with two good rows but for these columns."""
    good = {name: [value, value] for name, value in GOOD.items()} | {"transaction_id": [1, 2]}
    pq.write_table(pa.table({k: v for k, v in (good | columns).items() if v is not None}), path)
    return path


def fault(path: Path) -> str:
    with pytest.raises(TransactionsError) as caught:
        read_transactions(path)
    return str(caught.value)


def test_csv_comes_in_table_form(tmp_path):
    """Text ids, whole cents, seconds since 1970, a true or false label, in the order of time."""
    table = read_transactions(
        csv(
            tmp_path / "a.csv",
            {"time": "2018-06-11T01:00:00Z", "amount": "0", "is_fraud": "True"},
            {"customer_id": " 007 ", "terminal_id": '"a,b"', "amount": "5.1"},
        )
    )

    assert table.to_dict("list") == {
        "transaction_id": ["t2", "t1", "t3"],
        "customer_id": ["ann", "ann", "007"],
        "terminal_id": ["till", "till", "a,b"],
        "cents": [0, 1_234, 510],
        "time": [AT_S - 4_023, AT_S, AT_S],
        "is_fraud": [True, False, False],
    }
    assert table.dtypes[["cents", "time", "is_fraud"]].tolist() == [np.int64, np.int64, np.bool_]
    assert table.index.tolist() == [0, 1, 2]


def test_published_names_and_kinds_of_file_make_no_difference(tmp_path):
    """CSV, compressed or not, and Parquet, under either set of names: the same table."""
    published = "TRANSACTION_ID,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_DATETIME,TX_FRAUD"
    plain = csv(tmp_path / "a.csv", {}, {"is_fraud": "1"})
    files = [
        csv(tmp_path / "b.csv", {}, {"is_fraud": "1"}, header=published),
        tmp_path / "c.csv.gz",
        tmp_path / "d.parquet",
    ]
    files[1].write_bytes(gzip.compress(b"\xef\xbb\xbf" + plain.read_bytes()))
    table = read_transactions(plain)
    write_transactions(table, files[2])

    for file in files:
        assert read_transactions(file).equals(table), file.name


def test_file_without_labels_gives_a_table_without(tmp_path):
    """Labels are optional, other columns are ignored."""
    file = parquet(tmp_path / "a.parquet", is_fraud=None, comment=["x", "y"])

    assert list(read_transactions(file))[-2:] == ["cents", "time"]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"customer_id": pa.array([7, 8], pa.uint16())}, {"customer_id": ["7", "8"]}),
        ({"customer_id": pa.array(["x", "y"]).dictionary_encode()}, {"customer_id": ["x", "y"]}),
        ({"amount": pa.array([3, 4])}, {"cents": [300, 400]}),
        ({"amount": [Decimal("0.10"), Decimal("9.99")]}, {"cents": [10, 999]}),
        ({"amount": pa.array([0.1 + 0.2, 5 * 43.37])}, {"cents": [30, 21_685]}),
        ({"amount": pa.array([75.81, 54_321.01], pa.float32())}, {"cents": [7_581, 5_432_101]}),
        ({"time": pa.array([AT_S, AT_S], pa.timestamp("s"))}, {"time": [AT_S, AT_S]}),
        ({"time": pa.array([1_999, 2_000], pa.timestamp("ms", "Asia/Tokyo"))}, {"time": [1, 2]}),
        ({"is_fraud": [0.0, 1.0]}, {"is_fraud": [False, True]}),
        ({"is_fraud": ["FALSE", "true"]}, {"is_fraud": [False, True]}),
    ],
)
def test_parquet_is_read_whatever_its_types(tmp_path, columns, expected):
    """Whole numbers as ids, any kind of number, any unit and zone of time."""
    table = read_transactions(parquet(tmp_path / "a.parquet", **columns))

    assert {name: table[name].tolist() for name in expected} == expected


@pytest.mark.parametrize(
    ("text", "second"),
    [
        ("2018-06-11T02:07:03", AT_S),
        ("2018-06-11 02:07:03.999", AT_S),
        ("2018-06-11 02:07", AT_S - 3),
        ("2018-06-11T02:07:03Z", AT_S),
        ("2018-06-11T04:07:03+02:00", AT_S),
        ("2018-06-10 21:07:03-0500", AT_S),
        ("2018-06-11 02:07:03+00", AT_S),
    ],
)
def test_times_are_utc_whatever_their_offset(tmp_path, text, second):
    """An offset is taken into account, none means UTC, and both may stand in one column."""
    table = read_transactions(csv(tmp_path / "a.csv", {"time": text}))

    assert sorted(table["time"]) == sorted([AT_S, second])


def test_rows_of_the_same_time_keep_their_order(tmp_path):
    """The order of a file decides where its times do not."""
    random = np.random.default_rng(3)
    times = [f"2018-06-11 02:07:{second:02}" for second in random.integers(0, 9, 100)]
    file = csv(tmp_path / "a.csv", *({"time": time} for time in times))

    table = read_transactions(file)

    table["place"] = table["transaction_id"].str[1:].astype(int)
    assert table.equals(table.sort_values(["time", "place"], ignore_index=True))


@pytest.mark.parametrize(
    ("column", "cell", "what"),
    [
        ("transaction_id", "t1", "an earlier row has this id"),
        ("transaction_id", "", "blank"),
        ("customer_id", " ", "blank"),
        ("terminal_id", "", "blank"),
        ("amount", "", "blank"),
        ("amount", "-0.01", "negative: leave refunds and reversals out"),
        ("amount", "nan", "not a finite number"),
        ("amount", "-inf", "not a finite number"),
        ("amount", "1e400", "not a finite number"),
        ("amount", "2e9", "more than 1,000,000,000"),
        ("amount", "12.345", "more than two decimals"),
        ("amount", "€ 12", "not a number such as 12.34"),
        ("amount", '"12,34"', "not a number such as 12.34"),
        ("time", "", "blank"),
        ("time", "1528682823", TIME_WANTED),
        ("time", "2018", TIME_WANTED),
        ("time", "2018-06-11", TIME_WANTED),
        ("time", "2018-06-31 00:00:00", TIME_WANTED),
        ("time", "11.06.2018 02:07", TIME_WANTED),
        ("time", "now", TIME_WANTED),
        ("time", "1969-12-31 23:59:59", "before 1970"),
        ("is_fraud", "", "not 0, 1, true or false"),
        ("is_fraud", "2", "not 0, 1, true or false"),
        ("is_fraud", "no", "not 0, 1, true or false"),
    ],
)
def test_wrong_cell_is_refused_with_file_column_and_row(tmp_path, column, cell, what):
    """The first row at fault and what is wrong there: enough to find it, and nobody's data."""
    file = csv(tmp_path / "a.csv", {}, {column: cell}, {column: cell})

    assert fault(file) == f"a.csv, column {column}, row 3: {what}"


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        ({"TX_AMOUNT": [1, 2]}, "more than one column amount or TX_AMOUNT"),
        ({"amount": None}, "no column amount (or TX_AMOUNT)"),
        ({"customer_id": [1.0, 2.0]}, "holds double, not text or whole numbers"),
        ({"customer_id": pa.array([1, None])}, "row 2: blank"),
        ({"amount": [True, False]}, "holds bool, not numbers"),
        ({"amount": [1.0, float("nan")]}, "row 2: not a finite number"),
        ({"amount": pa.array([1.0, None])}, "row 2: blank"),
        ({"time": [1, 2]}, "holds int64, not timestamps or text"),
        ({"time": pa.array([None, 1], pa.timestamp("us"))}, "row 1: blank"),
        ({"is_fraud": [0, -1]}, "row 2: not 0, 1, true or false"),
        ({"is_fraud": pa.array([None, True])}, "row 1: blank"),
        ({"is_fraud": [Decimal(1), Decimal(0)]}, "not true and false, or 0 and 1"),
    ],
)
def test_wrong_column_of_parquet_is_refused(tmp_path, columns, what):
    """Types that would have to be guessed at, and missing values."""
    assert what in fault(parquet(tmp_path / "a.parquet", **columns))


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", HEADER.encode() + b"\n", "holds no transactions"),
        ("a.csv", HEADER.encode() + b"\nt1,ann,till", "row 1: 3 fields, the header has 6"),
        (
            "a.csv",
            HEADER.encode() + b"\nt1,\xff,till,1,2018-06-11 00:00,0",
            "cannot be read as CSV",
        ),
        ("a.csv", HEADER.encode("utf-16"), "cannot be read as CSV"),
        ("a.csv", b"t1,ann,till,1.00,2018-06-11 00:00,0\n", "no column transaction_id"),
        ("a.csv.gz", gzip.compress(HEADER.encode() * 9, mtime=0)[:-8], "cannot be read as CSV"),
        ("a.csv.gz", b"no gzip", "cannot be read as CSV"),
        ("a.parquet", b"PAR1 not really", "cannot be read as Parquet"),
        ("a.xlsx", b"PK", "neither .csv, .csv.gz nor .parquet"),
    ],
)
def test_file_that_cannot_be_read_is_refused(tmp_path, name, content, what):
    """Empty, cut off, in another encoding, or of another kind."""
    (tmp_path / name).write_bytes(content)

    assert what in fault(tmp_path / name)


def test_parquet_that_is_cut_off_is_refused(tmp_path):
    """Half a file is no file."""
    file = parquet(tmp_path / "a.parquet")
    file.write_bytes(file.read_bytes()[:-100])

    assert "cannot be read as Parquet" in fault(file)


def test_path_without_a_file_is_refused(tmp_path):
    """A folder, or nothing at all."""
    assert "no file" in fault(tmp_path)
    assert "does not exist" in fault(tmp_path / "a.csv")


def test_errors_quote_no_values(tmp_path):
    """Not even as the cause: a traceback in a log would show it."""
    cell = "4000123412341234"
    files = [
        csv(tmp_path / "a.csv", {"amount": f"{cell}x"}),
        csv(tmp_path / "b.csv", {"time": cell}),
        csv(tmp_path / "c.csv", {"time": f"2018-06-11 00:00,{cell}"}),
        csv(tmp_path / "d.csv", header=f"{cell},b,c,d,e,f"),
    ]

    for file in files:
        with pytest.raises(TransactionsError) as caught:
            read_transactions(file)
        assert cell not in str(caught.value)
        assert caught.value.__cause__ is None


def test_digest_is_that_of_the_content(tmp_path):
    """Known for good: another pandas, numbers as ids, and a detour over a file change nothing."""
    table = simulate(customers=60, terminals=600, days=10)
    write_transactions(table, tmp_path / "a.parquet")

    assert data_digest(table) == DIGEST
    assert data_digest(table.drop(columns="scenario")) == DIGEST
    assert data_digest(read_transactions(tmp_path / "a.parquet")) == DIGEST


@pytest.mark.parametrize("column", ["transaction_id", "customer_id", "cents", "time", "is_fraud"])
def test_digest_changes_with_any_value(column):
    """One id, one cent, one second or one label is another data set."""
    table = simulate(customers=60, terminals=600, days=10)
    changed = table.copy()
    changed.loc[7, column] = not table.loc[7, column] if column == "is_fraud" else 999_999

    assert data_digest(changed) != data_digest(table)


def test_digest_tells_ids_apart_that_join_to_the_same_text():
    """ "1", "23" is not "12", "3"."""
    rest = {"terminal_id": "t", "transaction_id": ["a", "b"], "cents": 1, "time": 1}
    tables = [pd.DataFrame({"customer_id": ids} | rest) for ids in (["1", "23"], ["12", "3"])]

    assert data_digest(tables[0]) != data_digest(tables[1])


def test_write_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    """A file is replaced as a whole or not at all, and nothing else is left behind."""
    file = tmp_path / "a.parquet"
    table = simulate(customers=20, terminals=600, days=3)
    write_transactions(table, file)
    before = file.read_bytes()

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(pq, "write_table", fail)
    with pytest.raises(OSError, match="disk full"):
        write_transactions(table, file)

    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet"]
    assert file.read_bytes() == before


@pytest.mark.parametrize("amount", [2**53 + 1, 2**60, 2**63 - 1, 2**64 - 1])
def test_whole_amounts_are_too_large_however_large_they_are(tmp_path, amount):
    kind = pa.uint64() if amount >= 2**63 else pa.int64()
    path = parquet(tmp_path / "a.parquet", amount=pa.array([12, amount], kind))
    assert fault(path) == "a.parquet, column amount, row 2: more than 1,000,000,000"


@pytest.mark.parametrize(
    ("unit", "moment"),
    [
        ("ms", AT_S * 10**6),  # microseconds that are called milliseconds
        ("ms", 2**64 // 1_000 + AT_S * 1_000),  # in microseconds, they begin again at 1970
        ("us", AT_S * 10**9),
        ("us", 253_402_300_800_000_000),
    ],
)
def test_a_time_after_the_last_year_is_refused_and_not_wrapped(tmp_path, unit, moment):
    times = pa.array([AT_S, moment], pa.timestamp(unit))
    assert fault(parquet(tmp_path / "a.parquet", time=times)) == (
        "a.parquet, column time, row 2: after the year 9999: is it in the unit that it says?"
    )


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_of_any_unit_are_the_same_second(tmp_path, unit):
    a_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    for zone in (None, "UTC", "America/New_York"):
        times = pa.array([AT_S * a_second, (AT_S + 1) * a_second - 1], pa.timestamp(unit, zone))
        table = read_transactions(parquet(tmp_path / "a.parquet", time=times))
        assert table["time"].tolist() == [AT_S, AT_S]


def test_a_transaction_in_the_future_is_refused_as_over_http(tmp_path):
    """With one of the next century, the history would end there. A till may be fast by an hour."""
    now = datetime(2018, 6, 11, 2, tzinfo=UTC)
    assert len(read_transactions(csv(tmp_path / "a.csv"), now)) == 1
    path = csv(tmp_path / "a.csv", {"time": "2018-06-11T03:00:01Z"})
    assert len(read_transactions(path, now + timedelta(seconds=1))) == 2
    with pytest.raises(TransactionsError, match=r"column time, row 2: lies in the future$"):
        read_transactions(path, now)
    assert len(read_transactions(path)) == 2
