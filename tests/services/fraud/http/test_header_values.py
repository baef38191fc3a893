"""Promises of how values of headers are read."""

import asyncio

import numpy as np
import pyarrow as pa
import pytest

from services.fraud.http.header_values import is_identity, media_type, prefers_json
from services.fraud.transactions.features import FEATURES
from tests.services.fraud.http.test_web import serialised
from tests.services.fraud.running import GENUINE, InProcess, promoted

ARROW = "application/vnd.apache.arrow.stream"


@pytest.fixture(scope="module")
def service(tmp_path_factory, model_folder):
    home = tmp_path_factory.mktemp("headers")
    promoted(model_folder, home)
    with InProcess(home) as running:
        yield running


def ask(service, headers, *, path="/detect_fraud", content=None):
    """A request with exactly these headers, several of one name too."""
    body = b'{"transaction_data": ' + str(GENUINE).encode() + b"}"

    async def once():
        return await service.client.post(path, content=content or body, headers=headers)

    return asyncio.run(once())


@pytest.mark.parametrize(
    ("value", "unpacked"),
    [
        ("identity", True),
        ("Identity", True),
        ("IDENTITY", True),
        (" identity ", True),
        ("identity, identity", True),
        ("identity,,Identity", True),
        ("", True),
        ("gzip", False),
        ("identity, gzip", False),
        ("gzip, identity", False),
        ("identity;q=1", False),
        ("identitty", False),
    ],
)
def test_encoding_is_a_list_of_names_in_any_case(service, value, unpacked):
    """Identity, however written, is no packing; anything else is refused."""
    assert is_identity(value) is unpacked
    headers = [("content-type", "application/json"), ("content-encoding", value)]
    assert ask(service, headers).status_code == (200 if unpacked else 415)


def test_encoding_may_come_in_several_headers(service):
    """Each of them counts."""
    json = ("content-type", "application/json")
    own, packed = ("content-encoding", "Identity"), ("content-encoding", "gzip")

    assert ask(service, [json, own, own]).status_code == 200
    assert ask(service, [json, packed, own]).status_code == 415
    assert ask(service, [json, own, packed]).status_code == 415


@pytest.mark.parametrize(
    "value",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        'application/json;charset=UTF-8;x="a;b"',
        "APPLICATION/JSON ; charset=utf-8",
        " application/json ",
    ],
)
def test_type_is_read_in_any_case_and_with_parameters(service, value):
    """Names of types have none."""
    assert media_type(value) == "application/json"
    assert ask(service, [("content-type", value)]).status_code == 200


@pytest.mark.parametrize(
    ("accept", "for_json", "for_table"),
    [
        ("", True, False),
        ("*/*", True, False),
        ("application/json", True, True),
        ("Application/JSON", True, True),
        ("application/json, text/plain, */*", True, True),
        (ARROW, False, False),
        (ARROW.upper(), False, False),
        (f"{ARROW}, application/json", True, True),
        (f"{ARROW}, application/json;q=0.5", False, False),
        (f"{ARROW};q=0.5, application/json; q=0.8", True, True),
        (f"{ARROW};q=0, */*", True, True),
        ("application/json;q=0, */*;q=0.1", False, False),
        (f"{ARROW}, */*;q=0.1", False, False),
        ("text/html", True, False),
        ("application/json;q=nonsense, */*", False, False),
    ],
)
def test_answer_is_of_the_type_that_is_preferred(service, accept, for_json, for_table):
    """By weight; what is named goes before what is only allowed; else in kind."""
    assert prefers_json(accept, otherwise=True) is for_json
    assert prefers_json(accept, otherwise=False) is for_table

    rows = np.tile(np.array(GENUINE), (3, 1))
    table = pa.table({name: rows[:, place] for place, name in enumerate(FEATURES)})
    headers = [("content-type", ARROW.title()), ("accept", accept)]
    content = serialised(table, "stream")
    answer = ask(service, headers, path="/score_batch", content=content)
    assert answer.headers["content-type"] == ("application/json" if for_table else ARROW)


def test_preference_may_come_in_several_headers(service):
    """As one list."""
    rows = [("content-type", "application/json"), ("accept", ARROW), ("accept", "text/html")]
    body = b'{"transaction_data": [' + str(GENUINE).encode() + b"]}"

    assert ask(service, rows, path="/score_batch", content=body).headers["content-type"] == ARROW
