"""Promises of who may ask: by which names, from which pages, and with which keys."""

import asyncio

import pytest

from services.fraud.http.loopback import is_own_address, is_own_authority, is_own_origin
from tests.services.fraud.http.test_web import KEYS, problem
from tests.services.fraud.running import GENUINE, InProcess, promoted

OWN = (
    *("localhost", "localhost:3000", "LocalHost:3000", "localhost.", "localhost.:80", "localhost:"),
    *("127.0.0.1", "127.0.0.1:65535", "127.0.0.1.", "127.9.8.7:3000", " 127.0.0.1 "),
    *("[::1]", "[::1]:3000", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]:3000", "[::FFFF:7f00:1]"),
)
OTHERS = (
    *("evil.example", "evil.example:3000", "localhost.evil.example", "127.0.0.1.evil.example"),
    *("evil-localhost", "notlocalhost", "my.localhost", "localhost..", "", ":3000", "."),
    *("0.0.0.0", "10.0.0.1", "128.0.0.1", "127.0.0.1@evil.example", "evil.example@127.0.0.1"),
    *("127.1", "2130706433", "0x7f000001", "127.0.0.01", "::1", "[::2]", "[::ffff:10.0.0.1]"),
    *("localhost, evil.example", "localhost evil.example", "localhost/x", "localhost:3000:80"),
    *("localhost:port", "[::1", "[localhost]", "localhost\x00", "löcalhost"),
)


@pytest.fixture(scope="module")
def open_service(tmp_path_factory, model_folder):
    """Without keys."""
    home = tmp_path_factory.mktemp("open")
    promoted(model_folder, home)
    with InProcess(home) as running:
        yield running


def ask(service, path, *, headers, method="POST", json=None):
    async def once():
        return await service.client.request(method, path, json=json, headers=headers)

    return asyncio.run(once())


@pytest.mark.parametrize("value", OWN)
def test_own_names_are_known_in_every_spelling(value):
    """Any port, upper case, a dot at the end, IPv6, IPv4 within IPv6."""
    assert is_own_authority(value.encode())


@pytest.mark.parametrize("value", OTHERS)
def test_other_names_are_not_taken_for_own(value):
    """However they resolve, and whatever they begin or end with."""
    assert not is_own_authority(value.encode("latin-1"))


@pytest.mark.parametrize(
    ("value", "own"),
    [
        (b"http://localhost:3000", True),
        (b"HTTPS://127.0.0.1", True),
        (b"http://[::1]:8080", True),
        (b"http://evil.example", False),
        (b"https://localhost.evil.example:3000", False),
        (b"null", False),
        (b"", False),
        (b"http://", False),
        (b"chrome-extension://abcdef", True),  # no web page has it
    ],
)
def test_origins_of_pages_are_told_apart(value, own):
    """By the same names."""
    assert is_own_origin(value) is own


@pytest.mark.parametrize(
    ("address", "own"),
    [
        ("127.0.0.1", True),
        ("127.3.2.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::1f", False),
        ("10.0.0.1", False),
        ("0.0.0.0", False),
        ("/run/service.sock", False),
    ],
)
def test_own_addresses_are_known(address, own):
    """As addresses, not by how they begin."""
    assert is_own_address(address) is own


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/labels"),
        ("POST", "/detect_fraud"),
        ("GET", "/metrics"),
        ("GET", "/readyz"),
        ("GET", "/"),
        ("GET", "/static_content/swagger-ui.css"),
        ("GET", "/no-such-path"),
    ],
)
def test_page_of_another_name_reaches_nothing_without_keys(open_service, method, path):
    """Its name may point to this machine; what it asks for is still its own."""
    for host in ("evil.example", "evil.example:3000", "127.0.0.1.evil.example"):
        answer = ask(open_service, path, headers={"host": host}, method=method)
        assert (answer.status_code, problem(answer).code) == (403, "no_keys_set")
        assert "TRIPTYCH_API_KEYS" in problem(answer).message
        assert "evil" not in answer.text


def test_labels_of_another_name_are_not_written(open_service):
    """They would teach the next model."""
    labels = {"labels": [{"transaction_id": "a-1", "is_fraud": False}]}
    refused = ask(open_service, "/labels", json=labels, headers={"host": "evil.example"})
    taken = ask(open_service, "/labels", json=labels, headers={"host": "LOCALHOST.:3000"})

    assert (refused.status_code, taken.status_code) == (403, 200)


def test_host_is_there_once_without_keys(open_service):
    """None, or two of which one is right, are no request of HTTP/1.1."""
    for hosts in ([], ["localhost", "evil.example"], ["localhost", "localhost"]):
        answer = asyncio.run(raw(open_service, hosts))
        assert answer["status"] == 400, hosts
    assert asyncio.run(raw(open_service, [], http_version="1.0"))["status"] == 200


async def raw(service, hosts, **scope):
    """An answer to headers that no client sends."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": b""}

    async def send(message):
        sent.append(message)

    asked = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "path": "/livez",
        "server": ("127.0.0.1", 3000),
        "headers": [(b"host", host.encode()) for host in hosts],
        **scope,
    }
    await service.worker.web(asked, receive, send, None)
    return sent[0]


def test_page_of_another_origin_writes_nothing_without_keys(open_service):
    """A right Host does not help it; the service's own page may."""
    body = {"transaction_data": GENUINE}
    for origin, status in (
        ("https://evil.example", 403),
        ("null", 403),
        ("http://127.0.0.1:3000", 200),
        ("http://localhost:8080", 200),
    ):
        answer = ask(open_service, "/detect_fraud", json=body, headers={"origin": origin})
        assert answer.status_code == status, origin
    assert ask(open_service, "/readyz", method="GET", headers={"origin": "null"}).is_success


def test_any_name_is_answered_with_keys(tmp_path, model_folder):
    """There, the key tells who asks, behind whatever gateway; the scheme's name in any case."""
    promoted(model_folder, tmp_path)
    body = {"transaction_data": GENUINE}
    with InProcess(tmp_path, api_keys=KEYS, server="10.0.0.1") as service:
        for scheme in ("Bearer", "bearer", "BEARER", "Bearer  "):
            headers = {
                "host": "fraud.example",
                "origin": "https://shop.example",
                "authorization": f"{scheme} first-key-of-sixteen",
            }
            assert ask(service, "/detect_fraud", json=body, headers=headers).is_success
        without = {"host": "localhost"}
        assert ask(service, "/detect_fraud", json=body, headers=without).status_code == 401
