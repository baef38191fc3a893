"""The door of the sentiment service: what it answers, and how it refuses."""

import asyncio
import json
import threading

import httpx
import numpy as np
import pytest

from tasks.sentiment.service import web as door
from tasks.sentiment.service.request import MAX_BYTES, MOST_CHARACTERS, Problem
from tasks.sentiment.service.web import Web
from tests.fakes import FakeScorer

JSON = {"content-type": "application/json"}


class FakeModel:
    name, digest = "fake", "0123456789abcdef"


class Scorer(FakeScorer):
    model = FakeModel()


class Client:
    """The service in this process."""

    def __init__(self, scorer=None, **options):
        self.scorer = scorer or Scorer()
        self.web = Web(self.scorer, **options)  # type: ignore[arg-type]  # it scores, and no more

        async def behind(scope, receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"behind"})

        async def application(scope, receive, send):
            await self.web(scope, receive, send, behind)

        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(application), base_url="http://127.0.0.1"
        )

    def ask(self, content, *, method="POST", path="/score", headers=JSON):
        return asyncio.run(self.client.request(method, path, content=content, headers=headers))


@pytest.fixture
def service():
    client = Client()
    yield client
    client.web.close()


def problem(answer):
    return answer.json()["error"]


def test_answer_has_the_label_and_all_probabilities(service):
    answer = service.ask(json.dumps({"text": "Good"})).json()
    positive = FakeScorer.probability("Good")
    assert answer["probabilities"] == pytest.approx(
        {"POSITIVE": positive, "NEGATIVE": 1 - positive}
    )
    assert answer["label"] == ("POSITIVE" if positive >= 0.5 else "NEGATIVE")
    assert (answer["model"], answer["digest"]) == ("fake", "0123456789ab")


def test_text_is_cleaned_as_a_night_cleans_it(service):
    service.ask(json.dumps({"text": " I &lt;3 <b>this</b>\n book "}))
    assert service.scorer.scored == ["I <3 this book"]


@pytest.mark.parametrize("letter", ["a", "\u00e4", "\U0001f600"])
def test_longest_text_is_taken_however_it_is_escaped(service, letter):
    """A character beyond the first 65,536 takes two escapes."""
    body = json.dumps({"text": letter * MOST_CHARACTERS})
    assert service.ask(body).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"", 400, None),
        (b"\xff", 400, None),
        (b'{"text": "a"', 400, None),
        (b"[" * 100_000, 400, None),
        (b"[]", 422, "body"),
        (b"{}", 422, "text"),
        (b'{"text": 3}', 422, "text"),
        (b'{"text": null}', 422, "text"),
        (b'{"text": ""}', 422, "text"),
        (b'{"text": " <br> &nbsp; "}', 422, "text"),
        (b'{"text": "a", "txet": "b"}', 422, "txet"),
        (b'{"text": "a", "text": "b"}', 422, "text"),
        (json.dumps({"text": "a" * (MOST_CHARACTERS + 1)}).encode(), 422, "text"),
    ],
)
def test_bad_input_is_refused_by_its_name(service, body, status, field):
    """And never repeated: it may be a secret."""
    answer = service.ask(body)
    assert answer.status_code == status
    names = [fault["field"] for fault in problem(answer)["fields"]]
    assert names == ([field] if field else [])
    assert service.scorer.scored == []


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"path": "/scores"}, 404, "not_found"),
        ({"method": "GET"}, 405, "method_not_allowed"),
        ({"headers": {"content-type": "text/plain"}}, 415, "unsupported_media_type"),
        ({"headers": {**JSON, "content-encoding": "gzip"}}, 415, "unsupported_media_type"),
        ({"content": b"x" * (MAX_BYTES + 1)}, 413, "too_large"),
        ({"headers": {**JSON, "content-length": "many"}}, 413, "too_large"),
    ],
)
def test_request_of_another_kind_is_refused(service, change, status, code):
    answer = service.ask(**{"content": b'{"text": "Good"}', **change})
    assert (answer.status_code, problem(answer)["code"]) == (status, code)


def test_body_that_grows_beyond_its_limit_is_refused(service):
    """One without a length is counted as it arrives."""

    async def parts():
        for _ in range(MAX_BYTES // 1_000 + 2):
            yield b"x" * 1_000

    answer = service.ask(parts())
    assert (answer.status_code, problem(answer)["code"]) == (413, "too_large")


def test_body_that_never_comes_gives_up(service, monkeypatch):
    monkeypatch.setattr(door, "BODY_S", 0.05)

    async def receive():
        await asyncio.sleep(3600)

    with pytest.raises(Problem) as fault:
        asyncio.run(door._read_body(receive))
    assert fault.value.status == 408


def test_key_is_asked_for_where_there_are_some():
    client = Client(keys=("0123456789abcdef",))
    body = b'{"text": "Good"}'
    assert client.ask(body).status_code == 401
    assert client.ask(body, headers={**JSON, "x-api-key": "another-key-here"}).status_code == 401
    for key in ({"x-api-key": "0123456789abcdef"}, {"authorization": "Bearer 0123456789abcdef"}):
        assert client.ask(body, headers={**JSON, **key}).status_code == 200
    client.web.close()


def test_more_than_it_takes_at_once_is_told_to_come_again():
    """And a place is free again once an answer is out."""
    held = threading.Event()

    class Waiting(Scorer):
        def score(self, texts):
            held.wait(60)
            return np.array([0.75])

    client = Client(Waiting(), max_in_flight=2, threads=2)

    async def ask_three():
        asked = [
            asyncio.create_task(
                client.client.post("/score", content=b'{"text": "Good"}', headers=JSON)
            )
            for _ in range(3)
        ]
        done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        held.set()
        return [one.result() for one in done], await asyncio.gather(*asked)

    first, every = asyncio.run(ask_three())
    assert [answer.status_code for answer in first] == [503]
    assert first[0].headers["retry-after"] == "1"
    assert sorted(answer.status_code for answer in every) == [200, 200, 503]
    assert client.ask(b'{"text": "Good"}').status_code == 200
    client.web.close()


def test_fault_of_the_model_is_told_without_what_was_sent(caplog):
    class Broken(Scorer):
        def score(self, texts):
            raise RuntimeError(f"cannot score {texts}")

    client = Client(Broken())
    answer = client.ask(b'{"text": "my secret"}')
    assert (answer.status_code, problem(answer)["code"]) == (500, "internal")
    assert "secret" not in answer.text + caplog.text
    client.web.close()


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_probes_are_answered_by_the_server_behind(service, path):
    assert service.ask(b"", method="GET", path=path).text == "behind"
