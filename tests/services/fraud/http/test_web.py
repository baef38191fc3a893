"""Requests and answers over HTTP, in this process."""

import asyncio
import json
import logging
import pickle
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import sqlalchemy as sa

from services.fraud.http.arrow_body import TABLES
from services.fraud.scoring import detector
from services.fraud.scoring.model_input import HANDBOOK_INPUT
from services.fraud.scoring.registry import Registry
from services.fraud.scoring.schema import BatchAnswer, DetectAnswer, ErrorAnswer, ScoreAnswer
from services.fraud.state.completeness import WINDOW_REASONS
from services.fraud.transactions.features import FEATURES
from services.storage.locks import FileLock
from tests.services.fraud.running import GENUINE, InProcess, promoted

KEYS = "first-key-of-sixteen, second-key-of-16-or-more"
RAW = {
    "transaction_id": "t-1",
    "customer_id": "c-1",
    "terminal_id": "m-1",
    "amount": 57.16,
    "time": "2026-11-20T09:30:00Z",
}
BAD_ROWS = {
    "too few": (GENUINE[:-1], "transaction_data"),
    "too many": ([*GENUINE, 1], "transaction_data"),
    "text": (["57.16", *GENUINE[1:]], "transaction_data.0"),
    "null": ([None, *GENUINE[1:]], "transaction_data.0"),
    "truth": ([True, *GENUINE[1:]], "transaction_data.0"),
    "negative": ([-1, *GENUINE[1:]], "transaction_data.0"),
    "huge": ([1e300, *GENUINE[1:]], "transaction_data.0"),
    "no list": ({"a": 1}, "transaction_data"),
    "no row": (None, "transaction_data"),
}
BAD_TRANSACTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "negative amount": ({"amount": -1}, "amount"),
    "amount as text": ({"amount": "57.16"}, "amount"),
    "no amount": ({"amount": None}, "amount"),
    "three decimals": ({"amount": 57.163}, "amount"),
    "huge amount": ({"amount": 1e12}, "amount"),
    "far future": ({"time": "2199-01-01T00:00:00Z"}, "time"),
    "no time": ({"time": "yesterday"}, "time"),
    "time as a number": ({"time": 1_700_000_000}, "time"),
    "time as a number in text": ({"time": "1700000000"}, "time"),
    "three decimals of a large amount": ({"amount": 600_000.123}, "amount"),
    "long ago": ({"time": "1492-10-12T00:00:00Z"}, "time"),
    "number as id": ({"customer_id": 7}, "customer_id"),
    "blank id": ({"terminal_id": ""}, "terminal_id"),
    "long id": ({"terminal_id": "x" * 65}, "terminal_id"),
    "control character": ({"transaction_id": "a\x00b"}, "transaction_id"),
    "invisible character": ({"transaction_id": "a\u200bb"}, "transaction_id"),
    "blank at the end": ({"customer_id": "c-1 "}, "customer_id"),
    "date alone": ({"time": "2026-11-20"}, "time"),
    "unknown field": ({"colour": "red"}, "colour"),
}


@pytest.fixture
def home(tmp_path, model_folder):
    promoted(model_folder, tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def service(tmp_path_factory, model_folder):
    """A service that is shared, for requests that leave nothing behind."""
    home = tmp_path_factory.mktemp("shared")
    promoted(model_folder, home)
    with InProcess(home) as running:
        yield running


def ask(service, path, json=None, *, method="POST", **options):
    async def once():
        return await service.client.request(method, path, json=json, **options)

    return asyncio.run(once())


def problem(answer):
    return ErrorAnswer.model_validate_json(answer.content).error


def test_original_contract_is_kept(service):
    """15 numbers in, a decision and a probability out, with the model that gave it."""
    answer = ask(service, "/detect_fraud", {"transaction_data": GENUINE})

    assert answer.status_code == 200
    found = DetectAnswer.model_validate_json(answer.content)
    assert found.is_fraud == (found.probability >= found.threshold)
    assert found.model.startswith("fraud_detector:")
    assert found.request_id == answer.headers["x-request-id"]


@pytest.mark.parametrize("case", BAD_ROWS)
def test_wrong_row_is_refused_by_field(service, case):
    """What is wrong with the numbers is told, and where."""
    row, field = BAD_ROWS[case]
    answer = ask(service, "/detect_fraud", {"transaction_data": row})

    assert answer.status_code == 422
    assert problem(answer).fields[0].field == field


IMPOSSIBLE: dict[str, tuple[dict[int, float], int, str]] = {
    "counts and risks swapped": (
        {9: 0.0, 10: 2, 11: 0.0, 12: 6, 13: 0.0, 14: 27},
        10,
        "TERMINAL_ID_RISK_1DAY_WINDOW is a share, and more than 1",
    ),
    "a weekday": ({1: 5}, 1, "TX_DURING_WEEKEND is neither 0 nor 1"),
    "an hour": ({2: 23}, 2, "TX_DURING_NIGHT is neither 0 nor 1"),
    "windows the other way round": (
        {3: 41, 5: 5, 7: 1},
        5,
        "CUSTOMER_ID_NB_TX_7DAY_WINDOW is less than CUSTOMER_ID_NB_TX_1DAY_WINDOW",
    ),
    "of a terminal alone": ({13: 5}, 13, "TERMINAL_ID_NB_TX_30DAY_WINDOW is less than"),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_features_that_contradict_each_other_are_refused_by_name(service, case):
    """As a list, by name, in a batch and in a table: no transaction has them, in whatever order."""
    changes, place, message = IMPOSSIBLE[case]
    row = [changes.get(number, value) for number, value in enumerate(HANDBOOK_INPUT.sample)]
    names = HANDBOOK_INPUT.names
    for given, field in ((row, place), (dict(zip(names, row, strict=True)), names[place])):
        answer = ask(service, "/detect_fraud", {"transaction_data": given})
        assert answer.status_code == 422
        (fault,) = problem(answer).fields
        assert fault.field == f"transaction_data.{field}" and fault.message.startswith(message)
        assert fault.message.endswith("; send the features in the documented order, or by name")

    rows = [HANDBOOK_INPUT.sample, row]
    table = pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    stream = {"content-type": "application/vnd.apache.arrow.stream", "accept": "application/json"}
    for answer, field in (
        (ask(service, "/score_batch", {"transaction_data": rows}), f"transaction_data.1.{place}"),
        (
            ask(service, "/score_batch", content=sink.getvalue().to_pybytes(), headers=stream),
            names[place],
        ),
    ):
        good, bad = answer.json()["results"]
        assert good["error"] is None and bad["probability"] is None
        assert bad["error"]["field"] == field and bad["error"]["message"].startswith(message)


@pytest.mark.parametrize("path", ["/detect_fraud", "/score_batch"])
def test_body_may_begin_with_a_mark_of_utf_8(service, path):
    """As editors and shells of Windows write; of UTF-16 it is said what it is."""
    row = GENUINE if path == "/detect_fraud" else [GENUINE]
    text = json.dumps({"transaction_data": row})
    headers = {"content-type": "application/json"}
    answer = ask(service, path, content=text.encode("utf-8-sig"), headers=headers)
    assert answer.status_code == 200
    answer = ask(service, path, content=text.encode("utf-16"), headers=headers)
    assert answer.status_code == 400
    assert "it is in UTF-16; send UTF-8" in problem(answer).message


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_number_that_json_does_not_know_is_refused(service, number):
    """NaN and infinities are no features."""
    text = '{"transaction_data": [' + ", ".join([number, *map(str, GENUINE[1:])]) + "]}"
    answer = ask(
        service, "/detect_fraud", content=text, headers={"content-type": "application/json"}
    )

    assert answer.status_code == 422
    assert [fault.field for fault in problem(answer).fields] == ["transaction_data.0"]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/detect_fraud", '{"transaction_data": [], "transaction_data": %(row)s}', "data"),
        ("/score_transaction", '{"amount": 1, %(raw)s}', "amount"),
        ("/score_transaction", '{"\\u0061mount": 1.5, %(raw)s}', "amount"),
        ("/score_transaction", '{%(raw)s, "time" : "2026-11-20T09:30:00Z"}', "time"),
        ("/labels", '{"labels": [{"transaction_id": "a", "is_fraud": 1, "is_fraud": 0}]}', "fraud"),
        ("/labels", '{"labels": [%(many)s, {"is_fraud": 1, %(label)s}]}', "fraud"),
        ("/labels", '{"labels": [{%(label)s}], "labels": [{%(label)s}]}', "labels"),
    ],
)
def test_field_that_is_there_twice_is_refused(service, path, body, field):
    """Two amounts, or two labels of one transaction: nobody knows which one is meant."""
    label = '"transaction_id": "colon \\": in it", "is_fraud": false'
    text = body % {
        "row": json.dumps(GENUINE),
        "raw": json.dumps(RAW)[1:-1],
        "label": label,
        "many": ", ".join(["{" + label + "}"] * 1_000),
    }
    answer = ask(service, path, content=text, headers={"content-type": "application/json"})

    assert answer.status_code == 422
    assert problem(answer).fields[0].field.endswith(field)
    assert problem(answer).fields[0].message == "is there twice: send it once"


@pytest.mark.parametrize("case", BAD_TRANSACTIONS)
def test_wrong_transaction_is_refused_by_field(service, case):
    """What is wrong with a raw transaction is told by the name of its field."""
    change, field = BAD_TRANSACTIONS[case]
    answer = ask(service, "/score_transaction", {**RAW, **change})

    assert answer.status_code == 422
    assert field in [fault.field for fault in problem(answer).fields]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"[1, 2]", 422, "invalid_request"),
        (b'"text"', 422, "invalid_request"),
        (b"{", 400, "invalid_json"),
        (b"", 400, "invalid_json"),
        (b"\xff\xfe", 400, "invalid_json"),
        (b"[" * 50_000, 400, "invalid_json"),
    ],
)
def test_body_that_is_no_object_is_refused(service, body, status, code):
    """A list, a text, half of an object, nothing, no UTF-8, and nesting without end."""
    answer = ask(
        service, "/detect_fraud", content=body, headers={"content-type": "application/json"}
    )

    assert (answer.status_code, problem(answer).code) == (status, code)


@pytest.mark.parametrize("path", ["/detect_fraud", "/score_transaction", "/score_batch", "/labels"])
def test_pickle_and_other_types_are_refused_unread(service, path):
    """The content type is checked before anything of the body is looked at."""
    for media_type in ("application/vnd.bentoml+pickle", "application/octet-stream", "text/plain"):
        body = pickle.dumps({"transaction_data": GENUINE})
        answer = ask(service, path, content=body, headers={"content-type": media_type})

        assert answer.status_code == 415
        assert "application/json" in problem(answer).message


def test_unknown_field_of_a_request_is_refused(service):
    """A typo in a field's name does not go unnoticed."""
    answer = ask(service, "/detect_fraud", {"transaction_data": GENUINE, "treshold": 0.1})

    assert [fault.field for fault in problem(answer).fields] == ["treshold"]


def test_large_body_is_refused_by_its_length_or_its_size(service):
    """A length that is announced is refused unread; one that is not, when it is reached."""

    async def parts():
        for _ in range(200):
            yield b" " * 1_024

    headers = {"content-type": "application/json"}
    announced = ask(
        service,
        "/detect_fraud",
        content=b" ",
        headers={**headers, "content-length": "100000000"},
    )
    unannounced = ask(service, "/detect_fraud", content=parts(), headers=headers)

    assert (announced.status_code, unannounced.status_code) == (413, 413)
    assert "65,536" in problem(unannounced).message
    assert announced.headers["connection"] == "close"


def test_slow_caller_is_sent_away(home):
    """A body that does not come is waited for as long as is said, and no longer."""

    async def never():
        yield b"{"
        await asyncio.sleep(30)

    with InProcess(home, fraud_body_timeout_s=0.1) as service:
        answer = ask(
            service,
            "/detect_fraud",
            content=never(),
            headers={"content-type": "application/json"},
        )

    assert (answer.status_code, problem(answer).code) == (408, "too_slow")


def test_paths_and_methods_are_named(service):
    """An unknown path and a wrong method get the same shape as every error."""
    unknown = ask(service, "/predict", {})
    wrong = ask(service, "/detect_fraud", method="GET")

    assert (unknown.status_code, problem(unknown).code) == (404, "not_found")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")


def test_values_that_were_refused_are_not_logged(service, caplog):
    """Neither the server's log nor the answer repeats what a caller sent."""
    with caplog.at_level(logging.DEBUG):
        answer = ask(service, "/score_transaction", {**RAW, "customer_id": "secret\x07customer"})

    assert answer.status_code == 422
    assert "secret" not in answer.text + caplog.text


def test_fault_of_the_service_tells_nothing_of_the_request(service, caplog, monkeypatch):
    """An unforeseen error is a 500 of the usual shape; the log has its place, not its values."""

    def broken(*_):
        raise RuntimeError("secret-value")

    monkeypatch.setattr(service.worker._state, "get", broken)
    answer = ask(service, "/score_transaction", RAW)

    assert (answer.status_code, problem(answer).code) == (500, "internal")
    assert "secret-value" not in answer.text + caplog.text
    assert "RuntimeError" in caplog.text


def test_keys_are_asked_for_where_there_are_any(home):
    """Each of several keys opens; none, a wrong one and half of one do not; probes need none."""
    with InProcess(home, api_keys=KEYS, server="10.0.0.1") as service:

        def status(**headers):
            answer = ask(service, "/detect_fraud", {"transaction_data": GENUINE}, headers=headers)
            return answer.status_code

        assert status(authorization="Bearer first-key-of-sixteen") == 200
        assert status(**{"x-api-key": "second-key-of-16-or-more"}) == 200
        assert status() == 401
        assert status(authorization="Bearer first-key-of-sixtee") == 401
        assert status(authorization="Bearer ") == 401
        assert status(**{"x-api-key": "schlüssel".encode("latin-1")}) == 401
        assert ask(service, "/readyz", method="GET").status_code == 200


def test_without_keys_only_this_machine_is_answered(home):
    """A service that listens on another address refuses, and says which setting is missing."""
    with InProcess(home, server="10.0.0.1") as service:
        answer = ask(service, "/detect_fraud", {"transaction_data": GENUINE})

    assert answer.status_code == 403
    assert "TRIPTYCH_API_KEYS" in problem(answer).message


def test_retry_gets_the_same_answer_and_one_row(home):
    """A transaction that is sent again gets the bytes of its first answer, and is logged once."""
    with InProcess(home) as service:
        first = ask(service, "/score_transaction", RAW)
        again = ask(service, "/score_transaction", RAW)
        other = ask(service, "/score_transaction", {**RAW, "amount": 1.0})

    ScoreAnswer.model_validate_json(first.content)
    assert first.content == again.content
    assert (other.status_code, problem(other).code) == (409, "conflict")
    assert "amount" in problem(other).message and "57" not in problem(other).message
    assert logged(home, "SELECT transaction_id FROM fraud_predictions") == [("t-1",)]


def test_every_answer_leaves_one_row(home):
    """With its features, probability, decision, model and latency; a batch leaves its summary."""
    with InProcess(home) as service:
        answers = [
            ask(service, "/detect_fraud", {"transaction_data": GENUINE}).json() for _ in range(3)
        ]
        batch = ask(service, "/score_batch", {"transaction_data": [GENUINE, []]}).json()

    rows = logged(home, "SELECT request_id, probability, tx_amount, model FROM fraud_predictions")
    assert sorted(row[0] for row in rows) == sorted(answer["request_id"] for answer in answers)
    assert {row[1:] for row in rows} == {
        (answers[0]["probability"], GENUINE[0], answers[0]["model"])
    }
    summary = "SELECT request_id, rows, rejected FROM fraud_batches"
    assert logged(home, summary) == [(batch["request_id"], 2, 1)]


def test_refusal_says_in_words_what_would_be_right(service):
    """No pattern of characters."""
    change = {"customer_id": "a\u200bb", "terminal_id": "x" * 65, "time": "2026-11-20"}
    answer = ask(service, "/score_transaction", {**RAW, **change})

    assert {fault.field: fault.message for fault in problem(answer).fields} == {
        "customer_id": "has a control character or an invisible one",
        "terminal_id": "longer than 64 characters",
        "time": "not a date and time in ISO 8601, such as 2026-11-22T09:30:00Z",
    }


def test_ids_of_any_script_are_answered_and_labelled(home):
    """As they may be trained with; one letter in two writings is one letter."""
    raw = {**RAW, "transaction_id": "Nº 7", "customer_id": "CUST 001", "terminal_id": "Café, Ort"}
    with InProcess(home) as service:
        first = ask(service, "/score_transaction", raw)
        again = ask(service, "/score_transaction", {**raw, "terminal_id": "Cafe\u0301, Ort"})
        label = {"transaction_id": "Nº 7", "is_fraud": 1, "labelled_at": "2026-11-21"}
        labelled = ask(service, "/labels", {"labels": [label]})

    assert (first.status_code, first.content) == (200, again.content)
    assert labelled.json()["known"] == 1
    assert logged(home, "SELECT terminal_id FROM fraud_predictions") == [("Café, Ort",)]


def logged(home, query):
    engine = sa.create_engine(f"sqlite:///{home / 'triptych.db'}")
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query))]
    finally:
        engine.dispose()


def test_windows_count_what_came_before(home):
    """The third transaction of a customer sees the two before it, and says so in its row."""
    with InProcess(home) as service:
        for number, amount in enumerate((57.16, 42.84, 50.0)):
            transaction = {**RAW, "transaction_id": f"t-{number}", "amount": amount}
            answer = ask(service, "/score_transaction", transaction)

    assert ScoreAnswer.model_validate_json(answer.content).degraded == ["no_snapshot"]
    columns = "customer_id_nb_tx_1day_window, customer_id_avg_amount_1day_window"
    query = f"SELECT {columns} FROM fraud_predictions WHERE transaction_id = 't-2'"
    assert logged(home, query) == [(3.0, 50.0)]


def test_labels_are_kept_and_counted(home):
    """A label of an unknown transaction is kept too; the latest one of a transaction counts."""
    with InProcess(home) as service:
        ask(service, "/score_transaction", RAW)
        labels = [
            {"transaction_id": "t-1", "is_fraud": True, "labelled_at": "2026-11-21T00:00:00Z"},
            {"transaction_id": "elsewhere", "is_fraud": False},
        ]
        answer = ask(service, "/labels", {"labels": labels})

    assert answer.status_code == 200
    assert (answer.json()["accepted"], answer.json()["known"]) == (2, 1)
    kept = logged(home, "SELECT transaction_id, is_fraud FROM fraud_labels ORDER BY 1")
    assert kept == [("elsewhere", 0), ("t-1", 1)]


def test_batch_row_fails_alone(service):
    """A row that is wrong is named; the others are answered, as one by one."""
    rows = [GENUINE, [*GENUINE[:-1], "0"], [1], GENUINE]
    answer = BatchAnswer.model_validate_json(
        ask(service, "/score_batch", {"transaction_data": rows}).content
    )
    alone = ask(service, "/detect_fraud", {"transaction_data": GENUINE}).json()

    assert (answer.rows, answer.rejected) == (4, 2)
    assert [result.error is None for result in answer.results] == [True, False, False, True]
    assert answer.results[1].error is not None
    assert answer.results[1].error.field == "transaction_data.1.14"
    assert answer.results[3].probability == pytest.approx(alone["probability"], abs=1e-6)


@pytest.mark.parametrize("form", ["stream", "file"])
def test_table_is_answered_by_a_table(service, form):
    """Arrow streams and files; missing and negative values are refused row by row."""
    rows = np.tile(np.array(GENUINE), (2_000, 1))
    rows[7, 3], rows[8, 0] = np.nan, -1
    table = pa.table({name.lower(): rows[:, i] for i, name in enumerate(FEATURES)})
    answer = ask(
        service,
        "/score_batch",
        content=serialised(table, form),
        headers={"content-type": f"application/vnd.apache.arrow.{form}"},
    )

    assert answer.status_code == 200, answer.text
    found = pa.ipc.open_stream(answer.content).read_all()
    assert found.num_rows == 2_000
    assert found["probability"].null_count == found["is_fraud"].null_count == 2
    assert found["error"].to_pylist()[7:9] == [
        "CUSTOMER_ID_NB_TX_1DAY_WINDOW: give a number from 0 to 1e+12",
        "TX_AMOUNT: give a number from 0 to 1e+12",
    ]
    assert found.schema.metadata[b"model"].startswith(b"fraud_detector:")


def serialised(table, form):
    sink = pa.BufferOutputStream()
    new = pa.ipc.new_stream if form == "stream" else pa.ipc.new_file
    with new(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pa.table({"tx_amount": [1.0]}), "columns are missing"),
        (pa.table({name: ["x"] for name in FEATURES}), "holds string"),
        (pa.table({name: pa.array([], pa.float64()) for name in FEATURES}), "1 to 1,000,000"),
    ],
)
def test_table_of_another_kind_is_refused(service, table, message):
    """Columns that are missing, that are no numbers, and no rows at all."""
    answer = ask(
        service,
        "/score_batch",
        content=serialised(table, "stream"),
        headers={"content-type": "application/vnd.apache.arrow.stream"},
    )

    assert answer.status_code == 422
    assert message in problem(answer).fields[0].message


def test_damaged_table_is_refused(service):
    """Bytes that are no table get a 422, whatever they are."""
    for body in (b"", b"PAR1", b"ARROW1" + bytes(500)):
        for media_type in ("arrow.stream", "arrow.file"):
            answer = ask(
                service,
                "/score_batch",
                content=body,
                headers={"content-type": f"application/vnd.apache.{media_type}"},
            )
            assert answer.status_code == 422


def test_parquet_is_refused_with_what_is_taken_instead(service):
    """415 names JSON and both forms of Arrow, and the document lists the same."""
    answer = ask(
        service,
        "/score_batch",
        content=b"PAR1" + bytes(500) + b"PAR1",
        headers={"content-type": "application/vnd.apache.parquet"},
    )
    taken = ("application/json", *TABLES)
    document = ask(service, "/docs.json", method="GET").json()
    body = document["paths"]["/score_batch"]["post"]["requestBody"]

    assert answer.status_code == 415 and problem(answer).code == "unsupported_media_type"
    assert problem(answer).message == f"send {' or '.join(taken)} in Content-Type"
    assert tuple(body["content"]) == taken


def test_too_many_at_once_are_turned_away_and_the_rest_answered(home):
    """Requests beyond those in flight get 503 with Retry-After, and it is over at once."""
    with InProcess(home, fraud_max_in_flight=4) as service:

        async def rush():
            ask_one = [
                service.client.post("/detect_fraud", json={"transaction_data": GENUINE})
                for _ in range(40)
            ]
            answers = await asyncio.gather(*ask_one)
            after = await service.client.post("/detect_fraud", json={"transaction_data": GENUINE})
            return answers, after

        answers, after = asyncio.run(rush())

    statuses = {answer.status_code for answer in answers}
    assert statuses == {200, 503}
    busy = next(answer for answer in answers if answer.status_code == 503)
    assert busy.headers["retry-after"] == "1" and problem(busy).code == "busy"
    assert after.status_code == 200


def test_without_a_model_it_lives_but_is_not_ready(tmp_path):
    """It says how to get one, and takes it up when it is there."""
    with InProcess(tmp_path) as service:
        ready = ask(service, "/readyz", method="GET")
        refused = ask(service, "/detect_fraud", {"transaction_data": GENUINE})

        assert ask(service, "/livez", method="GET").status_code == 200
        assert (ready.status_code, ready.json()["ready"]) == (503, False)
        assert "train_fraud" in ready.json()["waiting_for"]
        assert refused.status_code == 503 and "retry-after" in refused.headers


def test_old_snapshot_is_said(home, transactions):
    """Answers long after the last snapshot are degraded; soon after it they are not."""
    from services.fraud.state.snapshot import write_snapshot

    as_of = int(transactions["time"].max())
    write_snapshot(transactions, as_of, home)

    def at(hours, number):
        time = datetime.fromtimestamp(as_of, UTC) + timedelta(hours=hours)
        return {**RAW, "transaction_id": f"new-{number}", "time": time.isoformat()}

    with InProcess(home) as service:
        soon = ask(service, "/score_transaction", at(1, 1)).json()
        late = ask(service, "/score_transaction", at(100, 2)).json()
        ready = ask(service, "/readyz", method="GET").json()

    assert (soon["degraded"], soon["state_age_s"]) == ([], 3_600)
    assert (late["degraded"], late["state_age_s"]) == (["old_snapshot"], 360_000)
    assert ready["state_age_s"] > 0


def test_window_that_begins_before_the_history_is_said(home, transactions):
    """Late arrivals, replays, and a snapshot that begins only ten days ago; counted by reason."""
    from services.fraud.state.snapshot import write_snapshot

    as_of = int(transactions["time"].max())
    recent = transactions[transactions["time"] > as_of - 10 * 86_400]
    write_snapshot(recent, as_of, home)
    cases = {
        1: ["customer_30day_window", "terminal_7day_window", "terminal_30day_window"],
        -5 * 24: [
            *("customer_7day_window", "customer_30day_window", "terminal_1day_window"),
            *("terminal_7day_window", "terminal_30day_window"),
        ],
        -24 * 365: list(WINDOW_REASONS),
    }

    with InProcess(home) as service:
        for hours, reasons in cases.items():
            time = datetime.fromtimestamp(as_of, UTC) + timedelta(hours=hours)
            raw = {**RAW, "transaction_id": f"new{hours}", "time": time.isoformat()}
            answer = ask(service, "/score_transaction", raw)
            assert ScoreAnswer.model_validate_json(answer.content).degraded == reasons
        figures = ask(service, "/metrics", method="GET").text

    assert 'fraud_degraded_total{reason="customer_1day_window"} 1.0' in figures
    assert 'fraud_degraded_total{reason="terminal_30day_window"} 3.0' in figures


def test_requests_beside_one_that_waits_for_the_state_are_answered(home, monkeypatch):
    """While another process writes, a probe is; the transaction is recorded in the end."""
    monkeypatch.setattr(detector, "PATIENCE_S", 60.0)

    async def beside(service):
        with closing(FileLock(home / "fraud" / "state.db.lock")) as lock:
            assert lock.acquire(1.0)
            waiting = asyncio.create_task(service.client.post("/score_transaction", json=RAW))
            for _ in range(20):
                assert (await service.client.get("/livez")).status_code == 200
                await asyncio.sleep(0.002)
            assert not waiting.done()
            lock.release()
            return await waiting

    with InProcess(home) as service:
        answer = asyncio.run(beside(service))
        retry = ask(service, "/score_transaction", RAW)
    assert (answer.status_code, answer.json()["degraded"]) == (200, ["no_snapshot"])
    assert retry.content == answer.content


def test_transaction_that_cannot_be_recorded_is_answered_all_the_same(home):
    """Whoever holds the lock for too long: the answer says so, and a later one is recorded."""
    with InProcess(home) as service:
        with closing(FileLock(home / "fraud" / "state.db.lock")) as lock:
            assert lock.acquire(1.0)
            answer = ask(service, "/score_transaction", RAW).json()
        later = ask(service, "/score_transaction", RAW).json()
    assert answer["degraded"] == ["no_snapshot", "not_recorded"]
    assert later["degraded"] == ["no_snapshot"]


def test_page_and_figures_are_its_own(service):
    """The page loads nothing from elsewhere; its assets are those of the server behind."""
    page = ask(service, "/", method="GET")
    assert page.headers["content-type"].startswith("text/html") and "//" not in page.text
    assert b"fraud_request_seconds" in ask(service, "/metrics", method="GET").content
    assert ask(service, "/static_content/swagger-ui.css", method="GET").content == b"behind"


@pytest.mark.parametrize("path", ["/", "/metrics", "/livez", "/static_content/x.css"])
def test_every_path_refuses_other_methods_alike(service, path):
    """In the one shape of errors, with what is allowed."""
    answer = ask(service, path, {})
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert problem(answer).code == "method_not_allowed"


def test_packed_body_is_refused_by_its_header(service):
    """A body with Content-Encoding is not taken for broken JSON."""
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    answer = ask(service, "/detect_fraud", content=b"packed", headers=headers)
    assert answer.status_code == 415
    assert "Content-Encoding" in problem(answer).message


def test_slow_uploads_keep_no_batch_out(home):
    """Large bodies that do not come hold no place."""

    async def never():
        yield b"{"
        await asyncio.sleep(30)

    with InProcess(home, fraud_body_timeout_s=0.2) as service:

        async def rush():
            slow = [
                asyncio.create_task(
                    service.client.post(
                        "/score_batch",
                        content=never(),
                        headers={"content-type": "application/json"},
                    )
                )
                for _ in range(5)
            ]
            await asyncio.sleep(0.1)
            body = {"transaction_data": [GENUINE]}
            answer = await service.client.post("/score_batch", json=body)
            return answer, await asyncio.gather(*slow)

        answer, slow = asyncio.run(rush())

    assert answer.status_code == 200
    assert {late.status_code for late in slow} == {408}


@pytest.mark.parametrize(
    ("owner", "name", "path", "body"),
    [
        ("_detector", "score_rows", "/score_batch", {"transaction_data": [GENUINE]}),
        ("_detector", "label", "/labels", {"labels": [{"transaction_id": "a", "is_fraud": True}]}),
        ("_metrics", "render", "/metrics", None),
    ],
)
def test_long_work_runs_beside_the_event_loop(service, monkeypatch, owner, name, path, body):
    """Probes are answered while it goes on: by a thread of its own each."""
    started, go_on = threading.Event(), threading.Event()
    work = getattr(getattr(service.worker.web, owner), name)

    def long(*arguments):
        started.set()
        assert go_on.wait(30)
        return work(*arguments)

    monkeypatch.setattr(getattr(service.worker.web, owner), name, long)

    async def meanwhile():
        asked = asyncio.create_task(
            service.client.request("POST" if body else "GET", path, json=body)
        )
        while not started.is_set():
            await asyncio.sleep(0.001)
        probes = [await service.client.get(probe) for probe in ("/livez", "/readyz")]
        go_on.set()
        return probes, await asked

    probes, answer = asyncio.run(meanwhile())

    assert [probe.status_code for probe in probes] == [200, 200]
    assert answer.status_code == 200


def test_damaged_state_leaves_the_rest_in_service(home):
    """What needs no state is answered; the rest says so, until the file is mended or gone."""
    state = home / "fraud" / "state.db"
    state.parent.mkdir(exist_ok=True)
    state.write_bytes(b"damaged" * 10_000)
    with InProcess(home) as service:
        score = ask(service, "/score_transaction", RAW)
        detect = ask(service, "/detect_fraud", {"transaction_data": GENUINE})
        ready = ask(service, "/readyz", method="GET")
        for file in state.parent.glob("state.db*"):
            file.unlink()
        service.worker._state.refresh()
        after = ask(service, "/score_transaction", RAW)

    assert (score.status_code, problem(score).code) == (503, "state_unavailable")
    assert (detect.status_code, ready.status_code) == (200, 200)
    assert "state.db" in ready.json()["waiting_for"]
    assert after.status_code == 200


def test_document_has_every_endpoint_and_status(service):
    """The OpenAPI document is made of the types that requests are checked by."""
    document = ask(service, "/docs.json", method="GET").json()

    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) == {
        *("/detect_fraud", "/score_transaction", "/score_batch", "/labels", "/livez", "/readyz"),
    }
    assert {"200", "401", "408", "413", "415", "422", "503"} <= set(
        document["paths"]["/detect_fraud"]["post"]["responses"]
    )
    row = document["components"]["schemas"]["DetectRequest"]["properties"]["transaction_data"]
    assert (row["minItems"], row["maxItems"]) == (15, 15)


def test_every_example_of_the_document_is_answered(service):
    """Each call has one, and pressing the page's button again gives the same answer."""
    document = ask(service, "/docs.json", method="GET").json()

    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["tags"] and set(operation["tags"]) <= {
                tag["name"] for tag in document["tags"]
            }
            if method == "get":
                assert ask(service, path, method="GET").status_code == 200
                continue
            examples = operation["requestBody"]["content"]["application/json"]["examples"]
            assert examples
            for example in examples.values():
                for _ in range(2):
                    answer = ask(service, path, example["value"])
                    assert answer.status_code == 200, answer.text
                    assert answer.json().get("rejected", 0) == 0


def test_page_tells_what_answers_and_keeps_schemas_closed(service):
    """From /readyz; the calls are open for trying at once."""
    page = ask(service, "/", method="GET").text
    ready = ask(service, "/readyz", method="GET").json()

    assert "<title>Fraud detector</title>" in page
    assert 'fetch("readyz"' in page
    for name in ("ready", "model", "threshold", "shadow", "state_age_s", "waiting_for"):
        assert f"found.{name}" in page and name in ready
    assert ready["model"] == ready["registered"] and 0 < ready["threshold"] < 1
    assert "defaultModelsExpandDepth: 0" in page and "tryItOutEnabled: true" in page


def test_readiness_says_when_another_model_answers_than_the_registered(home, model_folder):
    """It is ready all the same, and says which, and why."""
    with InProcess(home) as service:
        before = ask(service, "/readyz", method="GET").json()
        Registry(home).promote("fraud_detector:gone", "by mistake")
        service.worker._champion.refresh()
        after = ask(service, "/readyz", method="GET")

    assert before["waiting_for"] is None
    assert (after.status_code, after.json()["model"]) == (200, before["model"])
    assert after.json()["registered"] == "fraud_detector:gone"
    assert "no model fraud_detector:gone" in after.json()["waiting_for"]
