"""Files on web servers: read whole or refused in one line, whatever the server does."""

import base64
import gzip
import io
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.sentiment.errors import SourceAway, SourceChanged, SourceError
from tasks.sentiment.reading.remote import content
from tasks.sentiment.reading.remote.address import Access
from tasks.sentiment.reading.source import open_source
from tests.tasks.sentiment.reading.remote.servers import Web, web_server

ROWS = 20_000
TABLE = ("id,text\n" + "".join(f"{n},Review {n} is fine\n" for n in range(ROWS))).encode()


def parquet(rows: int = ROWS) -> bytes:
    """The same as Parquet, in several row groups."""
    buffer = io.BytesIO()
    texts = [f"Review {n} is fine" for n in range(rows)]
    pq.write_table(pa.table({"id": range(rows), "text": texts}), buffer, row_group_size=rows // 4)
    return buffer.getvalue()


@pytest.fixture
def web(monkeypatch) -> Iterator[Web]:
    monkeypatch.setattr(content, "FIRST_BLOCK_BYTES", 64 << 10)
    with web_server() as server:
        server.files = {"/reviews.csv": TABLE}
        yield server


def count(address: str, **given: Any) -> int:
    """How many rows come, after a look at the first and the last."""
    rows = [row.values for row in open_source(address, **given).rows(["id", "text"])]
    assert rows[0] and rows[-1] and rows[-1]["text"] == f"Review {len(rows) - 1} is fine"
    return len(rows)


@pytest.mark.parametrize(
    ("name", "packed"),
    [("reviews.csv", TABLE), ("reviews.csv.gz", gzip.compress(TABLE)), ("r.parquet", parquet())],
)
@pytest.mark.parametrize("habit", ["ranges", "no ranges", "chunked", "no version"])
def test_file_is_read_whole_from_any_server(web, name, packed, habit):
    """With ranges or without, its length told or not, its version told or not."""
    web.files = {f"/a folder/{name}": packed}
    web.has_ranges = habit not in ("no ranges", "chunked")
    web.is_chunked, web.says_version = habit == "chunked", habit != "no version"

    source = open_source(f"{web.address}/a folder/{name}")

    assert source.name == name.partition(".")[0]
    assert len(list(source.rows(["id", "text"]))) == ROWS
    assert (source.fingerprint() is None) == (habit == "no version")


@pytest.mark.parametrize("break_after", [0, 1_000])
@pytest.mark.parametrize("habit", ["ranges", "no ranges", "chunked"])
def test_connection_that_breaks_is_taken_up_again(web, habit, break_after):
    """And no short file is taken for a whole one."""
    web.has_ranges, web.is_chunked = habit == "ranges", habit == "chunked"
    web.break_after, web.breaks = break_after, 2
    assert count(f"{web.address}/reviews.csv") == ROWS
    assert web.breaks == 0
    web.breaks = 100
    if habit != "ranges" or not break_after:  # else each block brings it on
        with pytest.raises(SourceAway, match=r"reviews\.csv"):
            count(f"{web.address}/reviews.csv")


def test_file_that_changes_while_it_is_read_is_refused(web):
    """Whatever part is read by then."""
    source = open_source(f"{web.address}/reviews.csv")
    rows = source.rows(["id", "text"])
    next(rows)
    web.files["/reviews.csv"] = TABLE.replace(b"fine", b"good")

    with pytest.raises(SourceChanged, match="run again"):
        list(rows)
    assert open_source(f"{web.address}/reviews.csv").fingerprint() != source.fingerprint()


def test_file_that_is_gone_while_it_is_read_is_refused(web):
    """As one that has changed."""
    rows = open_source(f"{web.address}/reviews.csv").rows(["id", "text"])
    web.files.clear()

    with pytest.raises(SourceChanged, match="is gone"):
        list(rows)


@pytest.mark.parametrize(
    ("status", "error", "says"),
    [
        (404, SourceError, "nothing at"),
        (403, SourceError, "TRIPTYCH_SOURCE_AUTHORIZATION"),
        (401, SourceError, "TRIPTYCH_SOURCE_QUERY"),
        (503, SourceAway, "try again later"),
        (429, SourceAway, "try again later"),
        (400, SourceError, "answers 400"),
    ],
)
def test_refusal_is_one_line_with_the_way_out(web, status, error, says):
    """What may pass can be tried again, and nothing else is."""
    web.answers["/private.csv"] = (status, {})

    with pytest.raises(SourceError, match=says) as raised:
        open_source(f"{web.address}/private.csv")

    assert type(raised.value) is error and "\n" not in str(raised.value)
    assert len(web.requests) == (3 if error is SourceAway else 1)


def test_server_that_is_not_there_can_be_tried_again(nobody):
    """Nobody listens there."""
    with pytest.raises(SourceAway, match="does not answer"):
        open_source(f"http://{nobody}/reviews.csv")


def test_login_page_is_named_for_what_it_is(web):
    """Whatever the address promises."""
    web.files["/login"] = b"<!DOCTYPE html><html><body>Log in</body></html>"
    for name in ("/mine.csv", "/mine.csv.gz", "/mine.parquet"):
        web.answers[name] = (302, {"Location": "/login"})
        with pytest.raises(SourceError, match="web page"):
            list(open_source(web.address + name).rows(["id"]))


@pytest.mark.parametrize("place", ["ftp://host/r.csv", "https://[x", "http://h ost/x"])
def test_server_that_leads_nowhere_is_refused_in_one_line(web, place):
    """Whatever it names as the place."""
    web.answers["/moved.csv"] = (302, {"Location": place})
    with pytest.raises(SourceError, match=r"moved\.csv") as error:
        open_source(f"{web.address}/moved.csv")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("address", ["https://[::1/r.csv", "https:///r.csv", "https://h:99999/r"])
def test_address_that_is_none_is_refused(address):
    """Nobody is asked."""
    with pytest.raises(SourceError, match="without a host"):
        open_source(address)


def test_empty_file_has_no_rows(web):
    """The server has no part of it to give."""
    web.files["/empty.csv"] = b""
    assert open_source(f"{web.address}/empty.csv").fingerprint()


def test_several_files_are_refused(web):
    """A web server does not list them."""
    with pytest.raises(SourceError, match="name one"):
        open_source(f"{web.address}/*.csv")


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Path:
    """A file with a key and a certificate for 127.0.0.1 that signs itself."""
    pytest.importorskip("cryptography")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
    host = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        builder.add_extension(host, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file: Path = tmp_path_factory.mktemp("tls") / "ca.pem"
    pem = serialization.Encoding.PEM
    file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(pem)
    )
    return file


@pytest.fixture
def tls(authority: Path, monkeypatch) -> Iterator[Web]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    with web_server(context) as server:
        server.files = {"/reviews.csv": TABLE}
        yield server


def test_secrets_go_to_their_own_server_over_tls_and_nowhere_else(tls, web):
    """Another server that a redirect leads to does not get them, nor does one without TLS."""
    given = f"Basic {base64.b64encode(b'user:hunter2').decode()}"
    access = Access(authorization=given, query="?X-Amz-Signature=hunter2", host="127.0.0.1")
    assert "hunter2" not in repr(access) and given not in repr(access)
    tls.answers["/moved.csv"] = (302, {"Location": "/reviews.csv"})

    assert count(f"{tls.address}/reviews.csv?format=csv", access=access) == ROWS
    assert all(path.endswith("?format=csv&X-Amz-Signature=hunter2") for _, path, _ in tls.requests)
    assert {headers["Authorization"] for _, _, headers in tls.requests} == {given}
    tls.requests.clear()
    assert count(f"{tls.address}/moved.csv", access=access) == ROWS
    led_to = [headers for _, path, headers in tls.requests if path.startswith("/reviews.csv")]
    assert led_to and not any("Authorization" in headers for headers in led_to)
    with pytest.raises(SourceError, match="over https:// only"):
        open_source(f"{web.address}/reviews.csv", access=access)
    tls.answers["/down.csv"] = (302, {"Location": f"{web.address}/reviews.csv"})
    with pytest.raises(SourceError, match="without TLS") as error:
        open_source(f"{tls.address}/down.csv", access=access)
    assert web.requests == [] and "hunter2" not in str(error.value)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("leads_to", ["http://127.0.0.1/r.csv", "https://[x"])
def test_no_connection_is_left_open_where_a_redirect_is_refused(tls, status, leads_to):
    tls.answers["/moved.csv"] = (status, {"Location": leads_to})
    with pytest.raises(SourceError) as kept:  # with the frames that knew the connection
        open_source(f"{tls.address}/moved.csv")
    port = urlsplit(tls.address).port
    of_us = psutil.Process().net_connections("tcp")
    assert kept and not [each for each in of_us if each.raddr and each.raddr.port == port]


@pytest.mark.parametrize("secret", ["authorization", "query"])
@pytest.mark.parametrize("host", [None, "", "example.com", "127.0.0.1.example.com"])
def test_secrets_go_to_the_host_they_belong_to_alone(web, secret, host):
    """Whoever names another address does not get them: nothing is asked there."""
    access = Access(**{secret: "hunter2"}, host=host)
    with pytest.raises(SourceError, match="TRIPTYCH_SOURCE_HOST") as error:
        open_source(web.address.replace("http://", "https://") + "/reviews.csv", access=access)
    assert web.requests == [] and "hunter2" not in str(error.value)


def test_certificate_of_nobody_is_refused(tls, monkeypatch):
    """With the variable that names one's own authority."""
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(SourceError, match="SSL_CERT_FILE"):
        open_source(f"{tls.address}/reviews.csv")
