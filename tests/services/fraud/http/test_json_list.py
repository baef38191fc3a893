"""Promises of how a long list is cut: the pieces hold what the whole does, and none is long."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import from_json

from services.fraud.http import batch, json_list, request_body
from services.fraud.http.json_list import LARGEST_ELEMENT, PIECE_BYTES, NoJson, OtherShape, pieces
from services.fraud.http.problem import HttpProblem
from services.fraud.scoring.schema import MOST_LABELS
from tests.services.fraud.running import GENUINE

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


def together(body):
    return [element for piece in pieces(body, "rows") for element in from_json(piece)]


@pytest.fixture(params=[1, 7, 40, PIECE_BYTES])
def piece_bytes(request, monkeypatch):
    """How long a piece gets before it is cut."""
    monkeypatch.setattr(json_list, "PIECE_BYTES", request.param)
    return request.param


@given(rows=st.lists(VALUES, max_size=12), blanks=st.sampled_from(["", " ", "\n\t "]))
@settings(max_examples=150, deadline=None, database=None)
def test_pieces_hold_what_the_whole_does(rows, blanks):
    """Whatever is nested in the elements or written in strings, and however it is spaced."""
    text = json.dumps({"rows": rows}, separators=("," + blanks, ":" + blanks))
    body = f"{blanks}{text}{blanks}".encode()
    whole = repr(from_json(body)["rows"])
    for size in (1, 7, 40):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(json_list, "PIECE_BYTES", size)
            assert repr(together(body)) == whole


@pytest.mark.parametrize(
    "body",
    [
        b'{"rows": [1, 2}',
        b'{"rows": [1, 2',
        b'{"rows": [1, 2]',
        b'{"rows": [[1], [2]]]}',
        b'{"rows": [[1], [2}]}',
        b'{"rows": [1, "x]}',
        b'{"rows": [[1],, [2]]}',
        b'{"rows": [[1], [2],]}',
        b'{"rows": [, [2]]}',
        b'{"rows": [,]}',
        b'{"rows": [1 2]}',
        b'{"rows": [[1] [2]]}',
        b'{"rows": [one]}',
        b'{"rows": [1]} 2',
        b'{"rows": [1]]',
    ],
)
def test_what_is_no_json_is_none_in_pieces_either(piece_bytes, body):
    """By the brackets, or by the parser of a piece."""
    with pytest.raises(ValueError):
        from_json(body)
    with pytest.raises(ValueError) as refused:
        together(body)
    assert not isinstance(refused.value, OtherShape)


@pytest.mark.parametrize(
    "body",
    [
        *(b"[1, 2]", b"{}", b"7", b"", b'{"rows": 7}', b'{"rows": {"a": 1}}', b'{"other": [1]}'),
        *(b'{"rows": [1], "more": 2}', b'{"a": 1, "rows": [1]}'),
    ],
)
def test_other_shapes_are_told(piece_bytes, body):
    """An object of one list is asked for."""
    with pytest.raises(OtherShape):
        together(body)


@pytest.mark.parametrize(
    "body", [b"[" * 50_000, b'{"a": [}', b'["a', b"]", b'{"rows": [1], "b": [']
)
def test_other_shape_that_is_no_json_is_told_as_such(piece_bytes, body):
    """By its brackets: it is not parsed whole for that."""
    with pytest.raises(NoJson):
        together(body)


def test_key_may_be_written_with_escapes():
    """It is a string as any other."""
    assert together(b'{"r\\u006fws": [1]}') == [1]


def test_no_piece_is_long():
    """Flat rows, strings, numbers alone; and what no row can be is not parsed at all."""
    flat = [GENUINE] * 10_000
    strings = [{"transaction_id": f"a]{n},[", "is_fraud": True} for n in range(20_000)]
    for rows in (flat, strings, list(range(100_000))):
        body = json.dumps({"rows": rows}).encode()
        found = list(pieces(body, "rows"))
        assert max(map(len, found)) <= PIECE_BYTES + 1_000
        assert len(found) >= len(body) // (PIECE_BYTES + 1_000)
        assert together(body) == rows


@pytest.mark.parametrize("huge", [[1] * LARGEST_ELEMENT, "x" * LARGEST_ELEMENT, [["]"] * 30_000]])
def test_huge_element_costs_itself_alone(huge):
    """Those around it are as they were, wherever it stands."""
    for rows in ([huge], [GENUINE, huge], [huge, GENUINE], [GENUINE] * 3 + [huge, huge, 7]):
        expected = [None if row is huge else row for row in rows]
        assert together(json.dumps({"rows": rows}).encode()) == expected


def test_long_batch_is_read_as_a_short_one():
    """The same features, refusals and explanations, by number of row."""
    bad = [[1], [*GENUINE[:-1], "0"], None, {"a": [1]}, "]", [1e400, *GENUINE[1:]]]
    rows = ([GENUINE] * 400 + bad) * 3
    short = [batch.read(_rows([row]), "application/json") for row in rows]
    long = batch.read(_rows(rows), "application/json")

    assert len(_rows(rows)) > PIECE_BYTES
    assert long.refused.tolist() == [bool(one.refused[0]) for one in short]
    assert (long.features == [one.features[0] for one in short]).all()
    for number, error in long.errors.items():
        field = short[number].errors[0]["field"].replace("data.0", f"data.{number}", 1)
        assert (error["field"], error["message"]) == (field, short[number].errors[0]["message"])


def _rows(rows):
    return json.dumps({"transaction_data": rows}).replace("Infinity", "1e400").encode()


def _labels(count, **changes):
    labels = [{"transaction_id": f"t-{n}", "is_fraud": n % 3 == 0} for n in range(count)]
    for number, change in changes.items():
        labels[int(number[1:])].update(change)
    return json.dumps({"labels": labels}).encode()


def test_many_labels_are_read_as_few():
    """In their order."""
    found = request_body.parsed_labels(_labels(5_000))
    assert [label.transaction_id for label in found] == [f"t-{n}" for n in range(5_000)]


def test_wrong_label_among_many_is_named_by_its_number():
    """Wherever it stands; several are named, and nothing is taken."""
    wrong = {"n17": {"is_fraud": "yes"}, "n4321": {"transaction_id": ""}}
    with pytest.raises(HttpProblem) as refused:
        request_body.parsed_labels(_labels(5_000, **wrong))
    fields = [fault["field"] for fault in refused.value.fields]
    assert fields == ["labels.17.is_fraud", "labels.4321.transaction_id"]


@pytest.mark.parametrize("count", [3, 5_000])
@pytest.mark.parametrize("at", [None, "2026-11-28"])
def test_labels_of_one_time_that_contradict_each_other_are_refused(count, at):
    """As those of a file are; said twice alike, or at different times, they are taken."""
    first = {"transaction_id": "same", "is_fraud": True, "labelled_at": at}
    for second, field in (
        ({**first}, None),
        ({**first, "is_fraud": False, "labelled_at": "2026-11-27"}, None),
        ({**first, "is_fraud": False}, f"labels.{count - 1}.is_fraud"),
    ):
        body = _labels(count, **{"n0": first, f"n{count - 1}": second})
        if field is None:
            assert len(request_body.parsed_labels(body)) == count
            continue
        with pytest.raises(HttpProblem) as refused:
            request_body.parsed_labels(body)
        assert [fault["field"] for fault in refused.value.fields] == [field]


@pytest.mark.parametrize(
    ("body", "code", "status"),
    [
        (_labels(3_000)[:-10], "invalid_json", 400),
        (_labels(3_000).replace(b"true", b"ture"), "invalid_json", 400),
        (b"[" + _labels(3_000) + b"]", "invalid_request", 422),
        (_labels(3_000)[:-1] + b', "more": 1}', "invalid_request", 422),
        (_labels(MOST_LABELS + 1), "invalid_request", 422),
        (b'{"labels": [' + b" " * 40_000 + b"]}", "invalid_request", 422),
    ],
    ids=["cut off", "no word", "a list", "a field more", "too many", "none"],
)
def test_many_labels_are_refused_as_few(body, code, status):
    """With the codes of short bodies."""
    with pytest.raises(HttpProblem) as refused:
        request_body.parsed_labels(body)
    assert (refused.value.code, refused.value.status) == (code, status)


def test_answer_is_written_as_at_once():
    """The parts of a long answer are those of one that is dumped whole."""
    import numpy as np
    import orjson

    from services.fraud.scoring.detector import Rows

    count = 2 * batch.RESULTS_AT_ONCE + 1
    rows = batch.read(_rows([GENUINE] * (count - 1) + [[1]]), "application/json")
    found = Rows(np.linspace(0, 1, count), np.zeros(count, bool), 0.5, "model:1")
    answer, _ = batch.write(rows, found, "application/json", "", "request")
    whole = orjson.loads(answer)

    assert orjson.dumps(whole) == answer
    assert list(whole) == ["results", "rows", "rejected", "threshold", "model", "request_id"]
    assert [one["probability"] for one in whole["results"][:-1]] == found.probabilities[
        :-1
    ].tolist()
    assert whole["results"][-1]["error"]["field"] == f"transaction_data.{count - 1}"
