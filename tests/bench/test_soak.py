"""What a soak is judged by: each check holds for what is right, and finds the fault it is for."""

import json
from dataclasses import replace

from tests.benchmarks.soak import checks
from tests.benchmarks.soak.clients import read_answer
from tests.benchmarks.soak.events import Happened
from tests.benchmarks.soak.records import Answer, Kill, Logged, Outcome, Reign, Request, Sample
from tests.benchmarks.soak.stream import LATE_S, Stream
from tests.benchmarks.soak.table import by_minute, render

SCORE = "/score_transaction"


def answer(request_id: str = "r1", body: str = "a", degraded: tuple[str, ...] = ()) -> Answer:
    return Answer(request_id, "model-1", body.encode(), degraded, replica=0)


def outcome(key: str = "t1", given: Answer | None = None, kind: str = "new") -> Outcome:
    return Outcome(Request(kind, SCORE, b"", key), 100.0, answer=given, answered_s=100.002)


def logged(request_id: str = "r1", key: str | None = "t1", degraded: str | None = None) -> Logged:
    return Logged(request_id, key, "model-1", 100.0, degraded)


def samples(memory: list[int], files: dict[str, int] | None = None) -> list[Sample]:
    return [Sample(at, {"1 worker#1": size}, {}, files or {}, {}) for at, size in enumerate(memory)]


def test_request_without_an_answer_is_found():
    lost = replace(outcome(), failures=[(101.0, "503 busy"), (220.0, "timeout")])
    assert checks.unanswered([outcome(given=answer())]) == []
    assert checks.unanswered([outcome(given=answer()), lost]) == [
        "1 requests had no answer, at last timeout"
    ]


def test_retry_that_got_other_bytes_is_found():
    first, again = outcome(given=answer()), outcome(given=answer(), kind="repeat")
    assert checks.changed([first, again]) == []
    other = outcome(given=answer(body="b"), kind="repeat")
    assert checks.changed([first, again, other]) == ["1 transactions got different answers: t1"]


def test_retry_of_an_answer_that_was_not_recorded_may_be_another():
    first = outcome(given=answer(degraded=("not_recorded",)))
    assert checks.changed([first, outcome(given=answer("r2", "b"))]) == []


def test_answer_that_is_not_in_the_log_is_found():
    heard = [outcome(given=answer("r1")), outcome("t2", answer("r2"))]
    assert checks.not_logged(heard, [logged("r1"), logged("r2", "t2")]) == []
    assert checks.not_logged(heard, [logged("r1")]) == ["1 answers are not in the log: r2"]


def test_answer_logged_with_another_model_is_found():
    rows = [replace(logged(), model="model-2")]
    assert checks.not_logged([outcome(given=answer())], rows) == [
        "1 answers are there with another model: r1"
    ]


def test_row_that_nobody_heard_of_is_no_fault():
    """The replica died after it had answered: the retry got the same, or another request's row."""
    assert checks.not_logged([outcome(given=answer())], [logged(), logged("r9", None)]) == []


def test_only_rows_beside_the_state_outlive_a_kill():
    """What is logged by itself may be lost with its replica, in the second before it was killed."""
    kill = [Kill(replica=0, at_s=100.5)]
    scored = outcome(given=answer())
    features = replace(scored, request=Request("features", "/detect_fraud", b""))
    assert checks.died_with([scored, features], kill) == [features]
    assert checks.died_with([features], [Kill(replica=1, at_s=100.5)]) == []
    assert checks.died_with([replace(features, answered_s=99.0)], kill) == []


def test_doubled_row_is_found():
    """Also where the two rows are of different requests, about one transaction."""
    assert checks.logged_twice([logged("r1"), logged("r2", "t2"), logged("r3", None)]) == []
    assert checks.logged_twice([logged("r1"), logged("r1", None)]) == [
        "1 requests are in the log more than once: r1"
    ]
    assert checks.logged_twice([logged("r1"), logged("r2")]) == [
        "1 transactions are in the log more than once: t1"
    ]


def test_row_of_an_answer_that_was_not_recorded_may_have_another_beside_it():
    assert checks.logged_twice([logged("r1", degraded="old_labels,not_recorded"), logged()]) == [
        "1 requests are in the log more than once: r1"
    ]
    assert checks.logged_twice([logged("r1", degraded="not_recorded"), logged("r2")]) == []


def test_label_that_is_missing_or_doubled_is_found():
    assert checks.missing("labels", ["t1", "t1", "t2"], ["t1", "t2", "t3"]) == []
    assert checks.missing("labels", ["t1", "t2"], ["t2", "t2"]) == [
        "1 labels are not in their table: t1",
        "1 labels are there more than once: t2",
    ]


def test_answer_of_a_model_that_was_not_champion_is_found():
    reigns = [Reign("model-1", 0, 150), Reign("model-2", 140, 300)]
    rows = [logged(), replace(logged("r2"), model="model-2", answered_at=145.0)]
    assert checks.wrong_model(rows, reigns) == []
    late = replace(logged("r3"), answered_at=151.0)
    assert checks.wrong_model([*rows, late], reigns) == [
        "1 answers name a model that was not champion then: r3 of model-1"
    ]
    unknown = replace(logged("r4"), model="model-3")
    assert "r4 of model-3" in checks.wrong_model([*rows, unknown], reigns)[0]


def test_swap_that_nobody_saw_is_found():
    reigns = [Reign("model-1", 0, 150), Reign("model-2", 140, 300)]
    assert checks.wrong_model([logged()], reigns) == [
        "1 models were champion and answered nothing: model-2"
    ]


def test_memory_that_grows_is_found():
    flat = [100_000_000 + 1_000 * (at % 3) for at in range(30)]
    steady = [Sample(each.at_s, each.memory, {"1 worker#1": 40}, {}, {}) for each in samples(flat)]
    assert checks.grown(steady) == []
    growing = samples([100_000_000 + 2_000_000 * at for at in range(30)])
    assert [fault for fault in checks.grown(growing) if "1 worker#1 has grown" in fault]


def test_open_files_that_grow_are_found():
    leaking = [
        Sample(at, {"1 worker#1": 1}, {"1 worker#1": 40 + 2 * at}, {}, {}) for at in range(60)
    ]
    assert [fault for fault in checks.grown(leaking) if "open files" in fault]


def test_postgres_may_fill_its_buffers_and_open_a_tables_files_once_a_connection():
    at_work = [
        Sample(
            at,
            {"PostgreSQL#1": 3_000_000 * at, "1 log#1": 1},
            {"PostgreSQL#1": 9 * at, "1 log#1": 9},
            {},
            {},
        )
        for at in range(40)
    ]
    assert checks.grown(at_work) == []
    leaking = [
        replace(each, memory={"PostgreSQL#1": 9 * each.memory["PostgreSQL#1"]}) for each in at_work
    ]
    assert len(checks.grown(leaking)) == 1


def test_restarted_process_is_judged_by_itself():
    """What begins anew with less, or takes more in its second life, has not grown."""
    lives = [Sample(at, {"1 worker#1": 10}, {"1 worker#1": 1}, {}, {}) for at in range(9)]
    lives += [
        Sample(at, {"1 worker#2": 900_000_000}, {"1 worker#2": 1}, {}, {}) for at in range(9, 18)
    ]
    assert checks.grown(lives) == []


def test_soak_too_short_to_judge_by_is_told():
    assert checks.grown(samples([1, 2, 3])) == [
        "too few samples to judge bytes by",
        "too few samples to judge open files by",
    ]


def test_rows_left_in_files_and_a_flooded_log_are_found():
    assert checks.unbounded(samples([1], {"1 spill": 0, "1 log": 90_000, "1 metrics": 1})) == []
    assert checks.unbounded(samples([1], {"1 spill": 2**21, "1 log": 2**24})) == [
        "2,097,152 bytes of rows are left in 1 spill",
        "1 log has 16,777,216 bytes",
    ]


def test_minutes_hold_what_was_due_in_them():
    slow = replace(outcome(given=answer()), answered_s=162.0)  # it took 62 s
    slow.failures.append((161.0, "503 state_unavailable"))
    minutes = by_minute(
        [
            outcome(given=answer(degraded=("old_labels",))),
            slow,
            replace(outcome(), scheduled_s=170),
        ],
        [Sample(165.0, {"1 worker#2": 5_000_000}, {"1 worker#2": 30}, {"1 spill": 3_000}, {})],
        [Happened("kill replica 1", 130.0)],
        began_s=100.0,
    )
    assert [(minute.asked, minute.answered) for minute in minutes] == [(2, 2), (1, 0)]
    assert [dict(minute.failures) for minute in minutes] == [{}, {"503 state_unavailable": 1}]
    assert minutes[0].took_ms[1] == 62_000
    assert minutes[0].events == ["kill replica 1"]
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in render(minutes).split("\n")]
    first, second = (dict(zip(rows[0], row, strict=True)) for row in rows[2:4])
    assert first["degraded"] == "1 old_labels" and first["answered"] == "2"
    assert second["answered"] == "0 of 1" and second["p50 / p99 ms"] == "-"
    assert second["replica 1: worker MB"] == "5"
    assert second["spill / state / metrics / log / rest kB"] == "3 / 0 / 0 / 0 / 0"


def test_stream_is_the_same_for_the_same_seed_and_labels_come_late():
    def bodies(seed: int) -> list[bytes]:
        stream, asked = Stream(made_transactions(), seed), []
        for number in range(400):
            request = stream.next(float(number))
            asked.append(request.body)
            stream.answered(Outcome(request, number, answer=answer(), answered_s=number))
        return asked

    assert bodies(1) == bodies(1)
    assert bodies(1) != bodies(2)
    stream = Stream(made_transactions(), 0)
    twin = stream._new("twin")
    for _ in range(2):
        stream.answered(replace(outcome(given=answer()), request=twin))
    assert stream._labels(100.0 + LATE_S - 1) is None
    late = stream._labels(100.0 + LATE_S + 1)
    assert late and json.loads(late.body)["labels"] == [{"transaction_id": "0", "is_fraud": False}]


def made_transactions():
    import pandas as pd

    numbers = range(1_000)
    return pd.DataFrame(
        {
            "transaction_id": numbers,
            "customer_id": [number % 7 for number in numbers],
            "terminal_id": [number % 5 for number in numbers],
            "cents": [100 + number for number in numbers],
            "time": [1_700_000_000 + number for number in numbers],
            "is_fraud": [number % 100 == 99 for number in numbers],
        }
    )


def test_answer_is_read_from_every_path():
    scored = {"request_id": "r", "model": "m", "degraded": ["old_labels"], "probability": 0.5}
    found = read_answer(json.dumps(scored).encode(), 1)
    assert (found.request_id, found.model, found.degraded) == ("r", "m", ("old_labels",))
    labelled = {"accepted": 1, "known": 1, "request_id": "r"}
    assert read_answer(json.dumps(labelled).encode(), 0).model is None
