"""Answers with spans, as a receiver of OTLP gets them."""

import asyncio

import httpx
import pytest

from tests.services.fraud.running import GENUINE, InProcess, promoted, served
from tests.spans import PACKAGE, receiving_spans

RAW = {
    "transaction_id": "T-1",
    "customer_id": "C-1",
    "terminal_id": "M-1",
    "amount": 57.16,
    "time": "2026-11-20T09:30:00Z",
}
TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
FROM_CALLER = {"traceparent": f"00-{TRACE}-{CALLER}-01"}


@pytest.fixture
def home(tmp_path, model_folder):
    promoted(model_folder, tmp_path)
    return tmp_path


def test_answer_is_a_span_of_the_callers_trace_and_its_steps_are_spans_of_it(home):
    """Body, features, model and log; nothing of a transaction, and no probe, is told."""
    pytest.importorskip(PACKAGE)
    with receiving_spans() as receiver:
        with InProcess(home, traces_url=receiver.url) as service:

            async def ask():
                answer = await service.client.post(
                    "/score_transaction", json=RAW, headers=FROM_CALLER
                )
                await service.client.get("/readyz")
                return answer

            answer = asyncio.run(ask())
        request = receiver.named("POST /score_transaction")
        steps = [receiver.named(name) for name in ("receive", "features", "model", "log")]

    assert answer.status_code == 200
    assert (request.service, request.trace, request.parent) == ("triptych-fraud", TRACE, CALLER)
    assert request.attributes["http.response.status_code"] == 200
    assert request.attributes["triptych.request_id"] == answer.json()["request_id"]
    assert {step.trace for step in steps} == {TRACE}
    assert {step.parent for step in steps} == {request.id}
    assert len(receiver.spans) == 5
    told = str([span.attributes for span in receiver.spans])
    assert not any(secret in told for secret in ("T-1", "C-1", "M-1", "57.16"))


def test_request_without_a_trace_begins_one_also_where_it_is_refused(home):
    """And what a caller writes into its path is no name of a span."""
    pytest.importorskip(PACKAGE)
    with receiving_spans() as receiver:
        with InProcess(home, traces_url=receiver.url) as service:

            async def ask():
                wrong = {"traceparent": "00-nonsense"}
                await service.client.post("/detect_fraud", json={"transaction_data": []})
                await service.client.get("/somewhere/else", headers=wrong)
                many = {"transaction_data": [GENUINE] * 3}
                await service.client.post("/score_batch", json=many)

            asyncio.run(ask())
        spans = {span.name: span for span in receiver.spans if not span.parent}

    assert spans.keys() == {"POST /detect_fraud", "GET other", "POST /score_batch"}
    assert spans["POST /detect_fraud"].attributes["http.response.status_code"] == 422
    assert receiver.named("model").attributes["rows"] == 3
    assert receiver.named("model").parent == spans["POST /score_batch"].id


@pytest.mark.slow
def test_served_answers_are_traced(home):
    """By BentoML's workers, whose last spans are sent when they end."""
    pytest.importorskip(PACKAGE)
    with receiving_spans() as receiver:
        with served(home, TRIPTYCH_TRACES_URL=receiver.url) as (url, _):
            httpx.post(
                f"{url}/detect_fraud", json={"transaction_data": GENUINE}, headers=FROM_CALLER
            ).raise_for_status()
        assert receiver.named("POST /detect_fraud").trace == TRACE
        assert receiver.named("model").trace == TRACE
