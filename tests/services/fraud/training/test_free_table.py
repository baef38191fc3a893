"""Tables of any columns: read as they are, split by time, or refused with the option to give."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from flows.train_fraud import TrainFraud
from services.fraud.errors import TransactionsError
from services.fraud.scoring.card import OWN, Card
from services.fraud.training.candidate import make_candidate
from services.fraud.training.conversion import tflite_probabilities
from services.fraud.training.free_table import TableSpec, read_table
from services.fraud.training.table_data import TableData
from services.fraud.training.training_folder import TrainingFolder
from services.fraud.transactions.mapping import recognise
from tasks.orchestration.command_line import parse
from tests.services.fraud.conftest import TINY

SHOP = "when,kind,sum,bad\n2026-11-03,a,3,0\n2026-11-01,a,1,0\n2026-11-02,b,2,1\n2026-11-05,c,5,1\n"
SHOP += "2026-11-04,a,4,0\n"


def spec(folder: Path, content: str, label: str = "bad", **options) -> TableSpec:
    file = folder / "t.csv"
    file.write_text(content)
    return TableSpec(file, label, **options)


def creditcard(rows: int, frauds: float) -> pd.DataFrame:
    """Two days with the columns of Kaggle's table; the frauds stand apart in no single one."""
    draws = np.random.default_rng(0)
    table = pd.DataFrame({"Time": np.sort(draws.integers(0, 172_800, rows)).astype(float)})
    is_fraud = draws.random(rows) < frauds
    for number in range(1, 29):
        table[f"V{number}"] = draws.standard_normal(rows)
    angles = draws.random(rows) * 2 * np.pi
    table.loc[is_fraud, "V1"] = (4 * np.cos(angles))[is_fraud]
    table.loc[is_fraud, "V2"] = (4 * np.sin(angles))[is_fraud]
    table["Amount"] = np.exp(3 + draws.standard_normal(rows)).round(2)
    table["Class"] = is_fraud.astype(int)
    return table


def test_rows_are_split_by_time_and_categories_become_features(tmp_path):
    """In the order of their times; a value that only the test holds is none of the others."""
    data = read_table(spec(tmp_path, SHOP, time="when", categories=("kind",), test_share=0.4))

    assert data.names == ("kind=a", "kind=b", "sum")
    assert data.rows.tolist() == [[1, 0, 1], [0, 1, 2], [1, 0, 3], [1, 0, 4], [0, 0, 5]]
    assert data.is_fraud.tolist() == [False, True, False, False, True]
    assert data.train.tolist() == [True, True, True, False, False]
    assert data.periods() == {
        "train": "2026-11-01 to 2026-11-03",
        "test": "2026-11-04 to 2026-11-05",
    }
    assert data.alerts_per_day(5) == 5
    assert "column when" in data.assumed["time"]
    probabilities = np.array([0.2, 0.8])
    assert 0.2 < data.threshold(probabilities, alerts_per_day=0.5) <= 0.8  # one in two days


def test_rows_of_one_time_are_not_torn_apart(tmp_path):
    """All of them test, though fewer were asked for."""
    content = "t,x,bad\n1,1,0\n1,2,1\n2,3,0\n2,4,1\n2,5,0\n"
    data = read_table(spec(tmp_path, content, time="t:hours"))
    assert data.train.tolist() == [True, True, False, False, False]
    assert data.periods()["train"] == "3,600 to 3,600 seconds of column t"
    with pytest.raises(TransactionsError, match=r"nothing to train on.*\(--test-share\)"):
        read_table(spec(tmp_path, content.replace("\n1,", "\n2,"), time="t:hours"))


def test_without_times_the_order_of_the_file_counts_and_the_share_of_frauds(tmp_path):
    """Both are told; no alerts per day are promised."""
    content = "x,bad\n" + "".join(f"{n},{int(n % 4 == 0)}\n" for n in range(20))
    data = read_table(spec(tmp_path, content))
    assert data.train.tolist() == [True] * 16 + [False] * 4
    assert data.periods() == {"train": "rows 1 to 16", "test": "rows 17 to 20"}
    assert data.alerts_per_day(100) is None and "order" in data.assumed["time"]
    assert 0.3 < data.threshold(np.array([0.1, 0.2, 0.3, 0.9]), 100) < 0.9


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ("x,y,bad\n1.5,-2,0\n,0,1\n", {"blank": -1}),
        ("x,y,bad\n1.5,-2,0\nNA,0,1\n", {"blank": -1}),
        ("x;y;bad\n1,5;-2;0\n-1;0;1\n", {}),
        ('x,y,bad\n"1,500",-2,0\n-1,0,1\n', {"decimal": "comma"}),
        (",x,y,note,bad\n0,1.5,-2,hello,0\n1,-1,0,you,1\n", {"leave_out": ("note",)}),
        ("x,y,BAD\n15e-1,-2.0,0.0\n-1,0,1.0\n", {}),
    ],
)
def test_columns_are_numbers_however_they_are_written(tmp_path, content, options):
    """What stands for a blank cell, a comma and a column without a name is told."""
    data = read_table(spec(tmp_path, content + content.partition("\n")[2] * 4, **options))
    assert data.names == ("x", "y")
    assert data.rows[:2].tolist() == [[1.5, -2], [-1, 0]]
    told = " ".join(data.assumed)
    assert not options.get("blank") or "blank" in told
    assert ";" not in content or ("delimiter" in told and "decimals" in told)
    assert not content.startswith(",") or "without a name" in data.assumed["left out"]


def test_parquet_holds_numbers_and_truths(tmp_path):
    """Of any type."""
    file = tmp_path / "t.parquet"
    columns = {
        "x": pa.array([1, 2, 3, 4, 5], pa.int16()),
        "y": pa.array([True, False, True, False, None]),
        "bad": pa.array([False, True, False, True, False]),
    }
    pq.write_table(pa.table(columns), file)
    data = read_table(TableSpec(file, "bad", blank=0.5))
    assert data.rows.tolist() == [[1, 1], [2, 0], [3, 1], [4, 0], [5, 0.5]]


@pytest.mark.parametrize("name", ["t.parquet", "t.csv"])
def test_index_that_pandas_wrote_is_no_feature_unless_it_is_named(tmp_path, name):
    """It is the number of the row; as a time it can be meant."""
    table = pd.DataFrame({"x": range(5, 10), "bad": [0, 1, 0, 1, 0]}, index=[3, 1, 2, 5, 4])
    file = tmp_path / name
    if name.endswith("csv"):
        table.to_csv(file)
        pd.read_csv(file).to_csv(file, index=False)
    else:
        table.to_parquet(file)
    data = read_table(TableSpec(file, "bad"))
    assert (data.names, data.assumed["left out"]) == (("x",), "1 without a name")

    index = "Unnamed: 0" if name.endswith("csv") else "__index_level_0__"
    data = read_table(TableSpec(file, "bad", time=f"{index}:hours"))
    assert (data.names, data.rows[:, 0].tolist()) == (("x",), [6, 7, 5, 9, 8])
    assert "left out" not in data.assumed
    assert read_table(TableSpec(file, "bad", leave_out=(index,))).assumed["left out"] == index


def test_real_files_of_ieee_cis_are_read_by_the_command_that_their_refusal_hands_out(tmp_path):
    """They hold text in some columns, and blank cells in most."""
    texts = ["card4", "card6", "P_emaildomain", "R_emaildomain", *(f"M{n}" for n in range(1, 10))]
    header = ["TransactionID", "isFraud", "TransactionDT", "TransactionAmt", "ProductCD", "card1"]
    header += ["card2", "addr1", "dist1", "C1", "D1", "V1", *texts]
    row = ["1", "0", "0", "68.5", "W", "13926", "", "315", "", "1", "14", "1.0"]
    rows = [[*row, *("" if n % 3 else f"{name}{n}" for name in texts)] for n in range(10)]
    for n, cells in enumerate(rows):
        cells[1:3] = [str(int(n in (2, 9))), str(86_400 + n)]
    file = tmp_path / "train_transaction.csv"
    file.write_text("\n".join(map(",".join, [header, *rows])))
    layout = recognise(header)
    assert layout is not None
    command = layout.advice.partition("--table FILE ")[2].partition(". Or")[0]
    asked = parse(TrainFraud, "train", ["--table", str(file), *command.split()])

    options = ("label", "time", "categories", "leave_out", "blank")
    data = read_table(TableSpec(file, **{name: getattr(asked, name) for name in options}))
    assert {"TransactionAmt", "card2", "card4=blank", "M9=M90"} <= set(data.names)
    assert data.rows[0, data.names.index("card2")] == -1


@pytest.mark.parametrize("blank", ["nan", "inf", "-inf", "1e13", "-1e13"])
def test_what_stands_for_blank_cells_is_a_number_that_the_service_takes(tmp_path, blank):
    """For callers send it too."""
    with pytest.raises(ValidationError, match="blank"):
        TrainFraud(table=tmp_path / "t.csv", label="bad", blank=float(blank))


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "a value that would be called as a column is": (
        "c,c=FR,bad\nFR,1,0\nIT,2,1\nFR,1,0\nIT,2,1\nFR,1,0\n",
        {"categories": ("c",)},
        "called as another column is, c=FR; --leave-out NAME,... leaves one out",
    ),
    "all names that are not there": (
        "x,bad\n1,0\n",
        {"label": "Class", "time": "t:hours", "categories": ("kind",), "leave_out": ("id",)},
        "no column Class and no column t and no column kind and no column id; it has x, bad",
    ),
    "all columns that are no numbers": (
        "a,b,c,bad\nx,1,1,0\n1,1,y,1\n",
        {},
        "no numbers in a (row 1), c (row 2); --categories NAME,... takes columns of few values, and"
        " --leave-out",
    ),
    "all columns with blank cells": (
        "a,b,bad\n,1,0\n,2,1\n3,,0\n",
        {},
        "blank cells in a (2), b (1); --blank 0",
    ),
    "times without a unit": ("t,x,bad\n1,1,0\n", {"time": "t"}, "--time t:seconds says seconds"),
    "thousands or decimals": ('x,bad\n"1,234",0\n', {}, "--decimal-mark comma says that they are"),
    "too large": ("x,bad\n1e13,0\n1,1\n2,0\n", {}, "beyond 1e+12, which the service refuses"),
    "too many values": (
        "k,bad\n" + "".join(f"v{n},{n % 2}\n" for n in range(100)),
        {"categories": ("k",)},
        "80 values are too many for categories, of which there may be 50; --leave-out k",
    ),
    "no fraud to learn from": (
        "x,bad\n" + "1,0\n" * 9 + "1,1\n",
        {},
        "the 8 rows to train on hold no fraud or nothing else",
    ),
    "a label that does not say": ("x,bad\n1,maybe\n", {}, "not 0, 1, true or false"),
    "a single row": ("x,bad\n1,0\n", {}, "nothing to train on"),
    "no row": ("x,bad\n", {}, "holds no rows"),
    "no feature": ("t,bad\n1,0\n2,1\n3,0\n", {"time": "t:days"}, "no column is left to learn from"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_table_of_numbers_is_refused_with_what_would_be_right(tmp_path, case):
    """In one line, all columns at once."""
    content, options, message = REFUSED[case]
    with pytest.raises(TransactionsError) as caught:
        read_table(spec(tmp_path, content, **options))
    assert str(caught.value).startswith("t.csv") and message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_table_is_the_same_after_it_was_written(tmp_path):
    """With times and without."""
    for options in ({"time": "when"}, {"leave_out": ("when",)}):
        data = read_table(spec(tmp_path, SHOP, categories=("kind",), **options))
        data.write(tmp_path)
        again = TableData.read(tmp_path)
        assert (again.names, again.digest, again.assumed) == (
            data.names,
            data.digest,
            data.assumed,
        )
        assert again.periods() == data.periods() and (again.train == data.train).all()


@pytest.mark.parametrize("content", ["", "[]", "null", "[" * 9_999])
def test_facts_of_another_kind_are_damaged(tmp_path, content):
    """In one line, whichever step reads them."""
    training = TrainingFolder(tmp_path)
    for name in ("assumed.json", "table.json"):
        (tmp_path / name).write_text(content)
        with pytest.raises(TransactionsError, match=rf"{name} is damaged: start the training"):
            training.assumed()


def test_facts_of_a_table_that_lack_some_are_damaged(tmp_path):
    """As those that are none."""
    (tmp_path / "table.json").write_text("{}")
    with pytest.raises(TransactionsError, match=r"table.json is damaged: start the training"):
        TrainingFolder(tmp_path).assumed()


def test_feature_that_loses_digits_in_float32_is_told_by_its_name(tmp_path):
    """Seconds since 1970 of one day; not hours, and not what float32 holds as it is."""
    lines = [f"{1_790_000_001 + n * 977},{n / 3},{int(n % 3 == 0)}\n" for n in range(60)]
    data = read_table(spec(tmp_path, "paid,hours,bad\n" + "".join(lines)))
    assert "digits of paid to 128, with a spread of 1.69e+04: subtract" in data.assumed["float32"]
    assert "hours" not in data.assumed["float32"]


def test_test_without_fraud_has_no_figures_and_a_threshold_all_the_same(tmp_path):
    """The gate refuses it; the threshold needs no labels."""
    content = "t,x,bad\n" + "".join(f"{n},{n % 3},{int(n in (2, 5))}\n" for n in range(20))
    data = read_table(spec(tmp_path, content, time="t:hours"))
    metrics = data.evaluate(np.linspace(0, 1, 4))
    assert metrics.frauds == 0 and metrics.average_precision is None
    assert 0 < data.threshold(np.linspace(0.1, 0.9, 4), 100) < 1


@pytest.mark.slow
def test_kaggles_layout_trains_with_a_card_of_its_own_names(tmp_path):
    """Scaling is inside the graph; the card holds all that is needed to serve and to audit it."""
    creditcard(2_000, 0.1).to_csv(tmp_path / "creditcard.csv", index=False)
    data = read_table(TableSpec(tmp_path / "creditcard.csv", "Class"))
    assert "Time:seconds" in data.assumed["recognised"]
    make_candidate(data, TINY, tmp_path / "candidate")

    card = Card.read(tmp_path / "candidate")
    assert card.contract == OWN and card.names == (*(f"V{n}" for n in range(1, 29)), "Amount")
    assert card.features[-1].typical is not None and card.features[-1].shares
    assert card.metrics is not None and card.baseline_metrics is not None
    assert (card.metrics.auc_roc or 0) > (card.baseline_metrics.auc_roc or 0)
    assert card.metrics.rows == 400 and card.parity.largest_difference <= 1e-5
    assert card.assumed == data.assumed and card.alerts_per_day == 100
    found = tflite_probabilities(
        tmp_path / "candidate" / "model.tflite", np.array([card.golden[-1].features])
    )
    assert found[0] == pytest.approx(card.golden[-1].probability, abs=1e-6)
