"""Files of transactions as people have them: read and told how, or refused with what is right."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.fraud.errors import TransactionsError
from services.fraud.transactions.foreign import Reading, read_foreign
from services.fraud.transactions.mapping import ColumnMapping
from services.fraud.transactions.transactions import read_transactions

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
HEADER = "transaction_id,customer_id,terminal_id,amount,time,is_fraud\n"
PAYSIM = (
    "step,type,amount,nameOrig,oldbalanceOrg,newbalanceOrig,nameDest,oldbalanceDest,"
    "newbalanceDest,isFraud,isFlaggedFraud\n"
    "1,PAYMENT,9839.64,C1,170136.0,160296.36,M1,0.0,0.0,0,0\n"
    "30,TRANSFER,181.0,C2,181.0,0.0,C3,0.0,0.0,1,0\n"
)
SPARKOV = (
    ",trans_date_trans_time,cc_num,merchant,category,amt,first,last,trans_num,unix_time,is_fraud\n"
    '0,2019-01-01 00:00:18,1111,"fraud_A, B and C",misc_net,4.97,X,Y,abc,1325376018,0\n'
)
IEEE = (
    "TransactionID,isFraud,TransactionDT,TransactionAmt,ProductCD,card1\n2987000,0,86400,68.5,W,1\n"
)
CREDITCARD = '"Time","V1","V2","Amount","Class"\n0,-1.1,0.2,149.62,"0"\n'


def read(folder: Path, content: str, now: datetime | None = NOW, **reading):
    if columns := reading.get("columns"):
        reading["columns"] = ColumnMapping.parse(columns)
    file = folder / "f.csv"
    file.write_text(content)
    return read_foreign(file, Reading(run_date=date(2026, 11, 22), **reading), now)


def row(amount: str = "4.97", time: str = "2026-11-01T00:00:18") -> str:
    return f"{HEADER}1,a,b,{amount},{time},0\n"


def test_file_of_the_documented_form_is_read_as_ever(tmp_path):
    """And there is nothing to tell."""
    table, told = read(tmp_path, f"\ufeff{row()}")
    assert table.equals(read_transactions(tmp_path / "f.csv")) and told == {}


@pytest.mark.parametrize(
    ("content", "options", "cents"),
    [
        (row("1.250").replace(",", ";"), {"decimal": "point"}, [125]),
        (row("1.255").replace(",", ";"), {"decimals": 3}, [126]),
        (row("1.250"), {}, [125]),
        (row("1.250").replace(",", ";") + "2;a;b;0.5;2026-11-01T00:00:19;0\n", {}, [125, 50]),
        (row("0.250").replace(",", ";"), {}, [25]),
    ],
)
def test_point_before_three_digits_is_one_of_decimals_where_that_is_sure(
    tmp_path, content, options, cents
):
    """Said, or by the other cells, or because commas separate them."""
    table, _ = read(tmp_path, content, **options)
    assert table["cents"].tolist() == cents


def test_paysim_is_recognised_and_its_hours_end_the_day_before(tmp_path):
    """Its columns are said; its rows have no ids, and are numbered."""
    table, told = read(tmp_path, PAYSIM)

    assert list(table["transaction_id"]) == ["1", "2"] and list(table["customer_id"]) == [
        "C1",
        "C2",
    ]
    assert list(table["terminal_id"]) == ["M1", "C3"] and list(table["cents"]) == [983_964, 18_100]
    first = int(datetime(2026, 11, 20, 1, tzinfo=UTC).timestamp())
    assert list(table["time"]) == [first, first + 29 * 3_600]
    assert list(table["is_fraud"]) == [False, True]
    assert "PaySim" in told["columns"] and "2026-11-20T00:00Z" in told["time"]
    assert told["transaction_id"] == "the numbers of the rows"

    table, told = read(tmp_path, PAYSIM, time_start=date(2026, 10, 1))
    assert table["time"][0] == int(datetime(2026, 10, 1, 1, tzinfo=UTC).timestamp())


def test_sparkov_is_recognised(tmp_path):
    """With merchants for terminals."""
    table, told = read(tmp_path, SPARKOV)
    assert table.to_dict("records") == [
        {
            "transaction_id": "abc",
            "customer_id": "1111",
            "terminal_id": "fraud_A, B and C",
            "cents": 497,
            "time": int(datetime(2019, 1, 1, 0, 0, 18, tzinfo=UTC).timestamp()),
            "is_fraud": False,
        }
    ]
    assert "Sparkov" in told["columns"]


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (row().replace(",", ";"), {}),
        (row("4,97").replace("4,97", '"4,97"'), {}),
        (row("4,97").replace(",", ";").replace("4;97", "4,97"), {}),
        (row("4.97").replace(",", "\t"), {"delimiter": "\t"}),
        (row(time="1793491218"), {"columns": "time=time:epoch"}),
        (row(time="1793491218000"), {"columns": "time=time:epoch_ms"}),
        (row(time="18"), {"columns": "time=time:seconds", "time_start": date(2026, 11, 1)}),
        (row(time="0.3"), {"columns": "time=time:minutes", "time_start": date(2026, 11, 1)}),
        (row("4.970"), {"decimals": 3}),
        (row() + "2,a,b,-3,2026-11-01T00:00:17,1\n", {"refunds": "drop"}),
    ],
)
def test_other_forms_hold_the_same_transaction(tmp_path, content, options):
    """And it is told how they were read."""
    table, told = read(tmp_path, content, **options)
    assert table.to_dict("records") == [
        {
            "transaction_id": "1",
            "customer_id": "a",
            "terminal_id": "b",
            "cents": 497,
            "time": 1_793_491_218,
            "is_fraud": False,
        }
    ]
    assert told


def test_third_decimals_are_rounded_half_to_even_and_refunds_counted(tmp_path):
    """A date counts from its midnight; all of it is told."""
    content = row("4.975", "2026-11-01") + "2,a,b,4.965,2026-11-01,0\n3,a,b,-1.000,2026-11-01,1\n"
    options: dict[str, Any] = {"decimals": 3, "refunds": "drop", "columns": "time=time:date"}
    table, told = read(tmp_path, content, **options)

    assert list(table["cents"]) == [498, 496]
    assert set(table["time"]) == {1_793_491_200}
    assert told["refunds"] == "1 rows left out, 1 of them frauds"
    assert "rounded to hundredths" in told["amount"] and "midnight" in told["time"]


def test_columns_of_parquet_are_mapped_too(tmp_path):
    """And times that are no timestamps need their unit there as well."""
    file = tmp_path / "f.parquet"
    names = ("step", "type", "amount", "nameOrig", "nameDest", "isFraud")
    pq.write_table(
        pa.Table.from_arrays([pa.array([value]) for value in (1, "x", 2.5, "a", "b", 1)], names),
        file,
    )
    table, _ = read_foreign(file, Reading(run_date=date(2026, 11, 22)), NOW)
    assert table["cents"].item() == 250

    mapping = ColumnMapping.parse(
        "customer_id=nameOrig,terminal_id=nameDest,time=step,is_fraud=isFraud"
    )
    with pytest.raises(TransactionsError, match=r"column step: numbers without a unit"):
        read_foreign(file, Reading(columns=mapping), NOW)


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "Kaggle's table": (
        CREDITCARD,
        {},
        "train_fraud --table FILE --label Class --time Time:seconds",
    ),
    "IEEE-CIS": (IEEE, {}, "Its columns as they are: train_fraud --table FILE --label isFraud"),
    "all that is missing": (
        "a,amount,b\n1,2,3\n",
        {},
        "no column transaction_id and no column customer_id and no column terminal_id and no"
        " column time and no column is_fraud",
    ),
    "and what to say": ("a,amount,b\n1,2,3\n", {}, "--columns customer_id=NAME"),
    "and which command takes other options": (row()[9:], {}, "and train_fraud --table FILE"),
    "a mapped column": (
        row(),
        {"columns": "customer_id=card,terminal_id=shop"},
        "no column card and no column shop",
    ),
    "date alone": (row(time="2026-11-01"), {}, "--columns time=time:date"),
    "bare number": (row(time="1793491218"), {}, "--columns time=time:epoch says seconds since"),
    "a unit that cannot be": (
        row(time="1793491218000"),
        {"columns": "time=time:epoch"},
        "after the year 9999: is it in the unit that is said, or :epoch_ms?",
    ),
    "seconds taken for milliseconds": (
        row(time="1793491218"),
        {"columns": "time=time:epoch_ms"},
        "before 1980, the last on 1970-01-21; time=time:epoch, seconds, would be 2026",
    ),
    "numbers written as dates": (
        row(time="1970-01-01T00:00:02"),
        {},
        "the last on 1970-01-01: numbers of another unit were taken for them",
    ),
    "future": (row(time="1893491218"), {"columns": "time=time:epoch"}, "lies in the future"),
    "refund": (row("-4.97"), {}, "row 1: negative, a refund or a reversal: --refunds drop"),
    "third decimal": (row("4.975"), {}, "more than two decimals (--decimals 3"),
    "fourth decimal": (row("4.9755"), {"decimals": 3}, "more than 3 decimals"),
    "yen with a decimal": (row("4.5"), {"decimals": 0}, "more than 0 decimals"),
    "thousands or decimals": (row('"1,234"'), {}, "--decimal-mark comma says that they are"),
    "thousands with a point": (
        row("1.250").replace(",", ";"),
        {},
        "column amount: points may stand for decimals or for thousands; --decimal-mark point says",
    ),
    "that are no hundredths": (row("1.255").replace(",", ";"), {}, "points may stand for"),
    "points among commas": (
        row('"1,23"') + "2,a,b,1.234,2026-11-01T00:00:18,0\n",
        {},
        "row 2: has a point, where decimals have a comma",
    ),
    "trailing comma": (row()[:-1] + ",\n", {}, "row 1: 7 fields, the header has 6; a cell with"),
    "id that the service refuses": (row().replace("a,b", f"a,{'b' * 80}"), {}, "longer than 64"),
    "nothing left": (row("-1"), {"refunds": "drop"}, "holds no transactions"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_sure_is_refused_with_what_would_be_right(tmp_path, case):
    """In one line, with the option to give."""
    content, options, message = REFUSED[case]
    with pytest.raises(TransactionsError) as caught:
        read(tmp_path, content, **options)

    assert str(caught.value).startswith("f.csv") and message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("customer=a", "is no NAME=COLUMN, with one of the names transaction_id, customer_id"),
        ("amount", "is no NAME=COLUMN"),
        ("amount=", "is no NAME=COLUMN"),
        ("amount=a,amount=b", "amount is there twice"),
    ],
)
def test_mapping_of_another_form_is_refused(text, message):
    """Before any file is read."""
    with pytest.raises(ValueError, match=message):
        ColumnMapping.parse(text)


def test_mapping_is_written_as_it_is_read():
    """A colon may be part of a name."""
    text = "customer_id=card,time=at:hours,amount=sum:EUR"
    assert str(ColumnMapping.parse(text)) == text
    assert ColumnMapping.parse("time=at:noon").time_unit is None
