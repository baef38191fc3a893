"""One rule for each field: HTTP, files of transactions and files of labels agree on every value."""

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from services.fraud.audit.labels import read_labels
from services.fraud.errors import TransactionsError
from services.fraud.scoring.schema import Label, RawTransaction
from services.fraud.transactions.columns import Column
from services.fraud.transactions.fields import as_cents, as_id, as_instant
from services.fraud.transactions.transactions import read_transactions

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
TRANSACTION = {
    "transaction_id": "t-1",
    "customer_id": "c-1",
    "terminal_id": "m-1",
    "amount": 12.34,
    "time": "2018-06-11T02:07:03Z",
}
LABEL = {"transaction_id": "t-1", "is_fraud": True, "labelled_at": "2018-06-11T02:07:03Z"}

IDS = {
    "plain": ("0000123", "0000123"),
    "every printable sign": ("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", ...),
    "with a blank inside": ("CUST 001", ...),
    "in letters of another script": ("Søren Kjær, Århus", ...),
    "in composed letters": ("caf\u00e9", "caf\u00e9"),
    "in the same letters, taken apart": ("cafe\u0301", "caf\u00e9"),
    "as long as may be": ("x" * 64, ...),
    "too long": ("x" * 65, None),
    "much too long": ("id-" * 60, None),
    "nothing": ("", None),
    "a blank": ("\u3000", None),
    "with a tab": ("a\tb", None),
    "with a new line": ("a\nb", None),
    "with an invisible character": ("a\u200bb", None),
    "with a direction mark": ("a\u202eb", None),
    "with a filler of Hangul": ("a\u3164", None),
    "with a joiner of marks": ("a\u034fb", None),
    "with a variation selector": ("a\ufe0f", None),
    "with a variation selector of the supplement": ("a\U000e0100", None),
    "with an empty cell of Braille": ("a\u2800b", None),
    "with a line separator": ("a\u2028b", None),
    "with a new line inside quotes, between others": ("a\r\nb", None),
}
AMOUNTS = {
    "whole": (12, 1_200),
    "two decimals": (12.34, 1_234),
    "nothing": (0, 0),
    "with an exponent": (1.2e3, 120_000),
    "the noise of a sum": (0.1 + 0.2, 30),
    "the noise of a large product": (999_999.99 * 1.0000000000000002, 99_999_999),
    "as large as may be": (1e9, 100_000_000_000),
    "a refund": (-4.97, None),
    "too large": (1_000_000_000.01, None),
    "three decimals": (4.975, None),
    "three decimals of a large one": (600_000.123, None),
    "a shade more than two decimals": (57.16005, None),
}
TIMES = {
    "in UTC": ("2018-06-11T02:07:03Z", 1_528_682_823),
    "without an offset": ("2018-06-11T02:07:03", 1_528_682_823),
    "with a blank": ("2018-06-11 02:07:03", 1_528_682_823),
    "in small letters": ("2018-06-11t02:07:03z", 1_528_682_823),
    "without seconds": ("2018-06-11T02:07", 1_528_682_820),
    "with an offset": ("2018-06-11T04:07:03+02:00", 1_528_682_823),
    "with an offset of hours": ("2018-06-11T04:07:03+02", 1_528_682_823),
    "with an offset of half hours": ("2018-06-10T21:37:03-0430", 1_528_682_823),
    "with milliseconds": ("2018-06-11T02:07:03.999Z", 1_528_682_823),
    "with nanoseconds": ("2018-06-11T02:07:03.999999999Z", 1_528_682_823),
    "with a comma": ("2018-06-11T02:07:03,5Z", 1_528_682_823),
    "the first instant": ("1970-01-01T00:00:00Z", 0),
    "before the first instant": ("1970-01-01T00:00:00+01:00", None),
    "long ago": ("1492-10-12T00:00:00Z", None),
    "a date alone": ("2018-06-11", None),
    "an hour alone": ("2018-06-11T02", None),
    "seconds since 1970": ("1528682823", None),
    "milliseconds since 1970": ("1528682823000", None),
    "a year": ("2018", None),
    "digits alone": ("20180611T020703", None),
    "day first": ("11/06/2018 02:07:03", None),
    "month first, with dashes": ("06-11-2018 02:07:03", None),
    "a day that is none": ("2018-06-31T00:00:00Z", None),
    "an hour that is none": ("2018-06-11T24:00:00Z", None),
    "a leap second": ("2018-06-11T23:59:60Z", None),
    "an offset that is none": ("2018-06-11T02:07:03+25:00", None),
    "minutes of an offset that are none": ("2018-06-11T02:07:03+01:75", None),
    "a zone by name": ("2018-06-11T02:07:03 CET", None),
    "a week": ("2018-W24-1T02:07:03Z", None),
    "a word": ("now", None),
    "nothing": ("", None),
    "digits of another script": ("２０１８-06-11T02:07:03Z", None),
}
LABELS: dict[str, tuple[Any, bool | None]] = {
    "true": (True, True),
    "false": (False, False),
    "one": (1, True),
    "nought": (0, False),
    "one with a decimal": (1.0, True),
    "one as text": ("1", True),
    "nought with a decimal, as text": ("0.0", False),
    "in capitals": ("TRUE", True),
    "in mixed letters": ("False", False),
    "two": (2, None),
    "half": (0.5, None),
    "yes": ("yes", None),
    "a letter": ("t", None),
    "nothing": ("", None),
    "less than nothing": (-1, None),
}


def csv_file(path: Path, row: dict[str, Any]) -> Path:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(row))
    writer.writeheader()
    writer.writerow(row)
    path.write_text(text.getvalue(), "utf-8")
    return path


def by_http(model: Any, field: str, value: Any) -> Any:
    given = (TRANSACTION if model is RawTransaction else LABEL) | {field: value}
    return getattr(model.model_validate_json(json.dumps(given)), field)


def by_transactions(folder: Path, field: str, value: Any, shown: str | None = None) -> Any:
    file = csv_file(folder / "t.csv", TRANSACTION | {"is_fraud": 0} | {field: value})
    return read_transactions(file)[shown or field].item()


def by_labels(folder: Path, field: str, value: Any) -> Any:
    (label,) = read_labels(csv_file(folder / "l.csv", LABEL | {field: value}), NOW)
    return getattr(label, field)


def verdicts(*ways: Callable[[], Any]) -> list[Any]:
    """What each way makes of a value; None if it refuses."""
    found = []
    for way in ways:
        try:
            found.append(way())
        except (ValidationError, TransactionsError):
            found.append(None)
    return found


@pytest.mark.parametrize("case", IDS)
def test_ids_are_the_same_everywhere(tmp_path, case):
    """What trains can be served, and its labels find it."""
    value, expected = IDS[case]
    expected = value if expected is ... else expected

    assert (
        verdicts(
            lambda: by_http(RawTransaction, "customer_id", value),
            lambda: by_http(Label, "transaction_id", value),
            lambda: by_transactions(tmp_path, "customer_id", value),
            lambda: by_transactions(tmp_path, "transaction_id", value),
            lambda: by_labels(tmp_path, "transaction_id", value),
        )
        == [expected] * 5
    )


@pytest.mark.parametrize("case", AMOUNTS)
def test_amounts_are_the_same_everywhere(tmp_path, case):
    """To the cent."""
    value, expected = AMOUNTS[case]

    assert (
        verdicts(
            lambda: as_cents(by_http(RawTransaction, "amount", value)),
            lambda: by_transactions(tmp_path, "amount", repr(value), "cents"),
            lambda: int(Column("f", "amount", pa.array([value])).cents()[0]),
        )
        == [expected] * 3
    )


@pytest.mark.parametrize("case", TIMES)
def test_times_are_the_same_everywhere(tmp_path, case):
    """To the second; a date alone is no instant, and a number has no unit."""
    value, expected = TIMES[case]

    assert (
        verdicts(
            lambda: int(by_http(RawTransaction, "time", value).timestamp()),
            lambda: by_transactions(tmp_path, "time", value),
        )
        == [expected] * 2
    )


@pytest.mark.parametrize("case", [*TIMES, "nothing at all"])
def test_times_of_labels_are_the_same_everywhere(tmp_path, case):
    """Those of transactions, and days; where a file has none, the label is of now."""
    value, expected = TIMES.get(case, (None, None))
    if case == "a date alone":
        expected = 1_528_675_200
    found = verdicts(
        lambda: int(by_http(Label, "labelled_at", value).timestamp()) if value else None,
        lambda: int(by_labels(tmp_path, "labelled_at", value)),
    )

    assert found == [expected, expected if value else int(NOW.timestamp())]


@pytest.mark.parametrize("case", LABELS)
def test_labels_are_the_same_everywhere(tmp_path, case):
    """However they are spelled."""
    value, expected = LABELS[case]

    assert (
        verdicts(
            lambda: by_http(Label, "is_fraud", value),
            lambda: by_transactions(tmp_path, "is_fraud", value),
            lambda: by_labels(tmp_path, "is_fraud", value),
        )
        == [expected] * 3
    )


def test_what_is_wrong_is_said_in_words(tmp_path):
    """No pattern of characters, by HTTP or for a file, and no value."""
    told = []
    for field, value in {"customer_id": "a\u200bb", "time": "2018-06-11"}.items():
        with pytest.raises(ValidationError) as by_request:
            by_http(RawTransaction, field, value)
        told.append(by_request.value.errors()[0]["msg"].removeprefix("Value error, "))
        with pytest.raises(TransactionsError) as by_file:
            by_transactions(tmp_path, field, value)
        assert str(by_file.value) == f"t.csv, column {field}, row 1: {told[-1]}"

    assert told == [
        "has a control character or an invisible one",
        "not a date and time in ISO 8601, such as 2026-11-22T09:30:00Z",
    ]


@pytest.mark.parametrize("blank", ["\n", "\r", "\r\n", "\t", " ", "\u00a0", "\u2028", "\x1c"])
def test_http_takes_no_id_with_a_blank_at_an_end(blank):
    """It would be another customer; files cut what stands around their cells."""
    for text in (f"c-1{blank}", f"{blank}c-1"):
        with pytest.raises(ValidationError):
            by_http(RawTransaction, "customer_id", text)
        with pytest.raises(ValidationError):
            by_http(Label, "transaction_id", text)


def test_many_times_at_once_are_those_one_by_one():
    """The fast way and the rule agree, whatever the shape."""
    draws = np.random.default_rng(5)
    seconds = draws.integers(0, 4_000_000_000, 400)
    shapes = ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S.25", "%Y-%m-%dt%H:%M", "%Y-%m-%d_%H:%M:%S"]
    shapes += ["%Y-%m-%dT%H:%M:%S+05:30", "%Y-%m-%d %H:%M:%S,125-03"]
    texts = [
        datetime.fromtimestamp(second, UTC).strftime(shapes[k % len(shapes)])
        for k, second in enumerate(seconds.tolist())
    ]

    found = Column("f", "time", pa.array(texts, pa.large_string())).microseconds()

    assert (found / 1e6).tolist() == [as_instant(text).timestamp() for text in texts]


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["7", "NULL"], "row 2: a word for a blank"),
        (["nan", "7"], "row 1: a word for a blank"),
        (["7", " #N/A "], "row 2: a word for a blank"),
        (["NA", "7"], "row 1: a word for a blank"),
        (["7", "4.53202E+15"], r"row 2: a number shown in short, as 4\.5E\+15 is, has lost digits"),
        (["4.53202E15"], "row 1: a number shown in short"),
        (["2629.0", "17.00"], "row 1: holds whole numbers with decimals: export them without"),
    ],
)
def test_ids_that_a_tool_has_spoilt_are_refused(tmp_path, ids, message):
    """In files of transactions and of labels: else other customers would be taken for them."""
    column = Column("f", "customer_id", pa.array(ids, pa.large_string()))
    with pytest.raises(TransactionsError, match=f"column customer_id, {message}"):
        column.ids()
    labels = tmp_path / "labels.csv"
    labels.write_text("".join(["transaction_id,is_fraud\n", *(f"{one},0\n" for one in ids)]))
    with pytest.raises(TransactionsError, match=f"column transaction_id, {message}"):
        read_labels(labels, NOW)


def test_ids_that_look_like_numbers_or_words_stay_what_they_are():
    """A version, a digest, a name: no tool writes these for something else."""
    ids = ["1.0", "1.1", "1e3", "12e45", "na", "Nullmann", "-", "007"]
    assert Column("f", "id", pa.array(ids, pa.large_string())).ids().tolist() == ids


def test_many_ids_at_once_are_those_one_by_one():
    """Plain ones and others, in their places."""
    ids = ["a", "b c", "cafe\u0301", "d", "Ω-7", "64" * 32]

    found = Column("f", "id", pa.array(ids, pa.large_string())).ids()

    assert found.tolist() == [as_id(text) for text in ids]
