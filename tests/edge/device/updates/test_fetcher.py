"""Downloads have an end, in bytes and in seconds, whatever the other side does."""

import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from edge_detector.contract.limits import Limits
from edge_detector.errors import ConfigError
from edge_detector.updates.address import Address, parse_address
from edge_detector.updates.fetcher import BoundedFetcher, FolderFetcher
from edge_detector.updates.web import REDIRECTS
from tuf.api.exceptions import (
    DownloadError,
    DownloadHTTPError,
    DownloadLengthMismatchError,
    SlowRetrievalError,
)

from tests.edge.device.misbehaving import Answer, Talk, drip, reply, server, silence

USUAL = Limits()
QUICK = Limits(silence_s=0.3, download_s=1.0, min_bytes_per_s=10**9)  # for servers that are not
PATIENT_S = 30.0  # any of these servers would take for ever


@dataclass
class Web:
    """A server, what it heard, and the fetcher that reads one file from it."""

    fetcher: BoundedFetcher
    url: str
    talk: Talk

    def fetch(self, max_bytes: int = 1000) -> bytes:
        content: bytes = self.fetcher.download_bytes(self.url, max_bytes)
        return content


@contextmanager
def serving(*answers: Answer, limits: Limits = USUAL) -> Iterator[Web]:
    """A server, for a block that does not take for ever."""
    with server(*answers) as (url, talk):
        web = Web(parse_address(f"{url}/releases").open(limits), f"{url}/releases/file", talk)
        began = time.monotonic()
        try:
            yield web
        finally:
            web.fetcher.close()
        assert time.monotonic() - began < PATIENT_S


class TestAddress:
    @pytest.mark.parametrize(
        ("releases", "base"),
        [
            ("/srv/releases", "/srv/releases"),
            ("/srv/releases/", "/srv/releases"),
            ("/srv/100% ours", "/srv/100% ours"),
            ("file:///srv/releases/", "/srv/releases"),
            ("file://localhost/srv/100%25%20ours", "/srv/100% ours"),
            ("https://models.example/releases", "https://models.example/releases"),
            ("https://models.example/releases//", "https://models.example/releases"),
            ("https://models.example", "https://models.example"),
            ("http://[::1]:8080/", "http://[::1]:8080"),
        ],
    )
    def test_folders_and_web_addresses_are_understood(self, releases, base):
        """With and without a slash at the end."""
        assert parse_address(releases).base == base

    def test_folder_may_be_relative_or_at_home(self, tmp_path: Path, monkeypatch):
        """As in a shell."""
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HOME", "/home/owner")
        assert parse_address("releases").folder == tmp_path / "releases"
        assert parse_address("~/releases").folder == Path("/home/owner/releases")

    def test_password_is_kept_apart(self):
        """So that it is in no message and in no log."""
        assert parse_address("https://me:secret@host/x/") == Address(
            "https://host/x", None, "me:secret"
        )

    @pytest.mark.parametrize(
        ("releases", "right"),
        [
            ("", "folder"),
            ("s3://bucket/prefix", "https://"),
            ("ftp://host/x", "http"),
            ("file://host/x", "three slashes"),
            ("https://", "https://host"),
            ("https://host/x?y=1", "without"),
            ("https://me:secret@host/x#y", "without"),
            ("https://host:port/x", "no address"),
            ("https://user:secret@host:abc/", "no address"),
            ("https://user:1/secret@host:abc/?x", "without"),
            ("https://user:se?secret@host/", "no address"),
            ("https://user:secret\u2100@host/", "no address"),
            ("ftp://user:secret@host/x", "http"),
            ("s3://key:secret@bucket/prefix", "https://"),
            ("https://[::1/x", "no address"),
        ],
    )
    def test_other_addresses_are_refused_with_what_would_be_right(self, releases, right):
        """And without the password."""
        with pytest.raises(ConfigError, match=right) as refused:
            parse_address(releases)
        assert "secret" not in str(refused.value)


class TestFolder:
    @pytest.fixture
    def fetcher(self) -> FolderFetcher:
        return FolderFetcher(USUAL)

    def test_file_is_read(self, fetcher: FolderFetcher, tmp_path: Path):
        """Also a large one, which waits on the disk."""
        (tmp_path / "file").write_bytes(b"12345" * 500_000)
        fetcher.scratch = str(tmp_path)
        assert fetcher.download_bytes(str(tmp_path / "file"), 2_500_000) == b"12345" * 500_000

    def test_missing_file_is_told_from_other_failures(self, fetcher, tmp_path: Path):
        """As a 404: to python-tuf, a root that is missing means that there is no newer one."""
        (tmp_path / "file").touch()
        for path in ("missing", "file/below"):
            with pytest.raises(DownloadHTTPError) as missing:
                fetcher.download_bytes(str(tmp_path / path), 10)
            assert missing.value.status_code == 404

    def test_longer_file_than_allowed_is_given_up(self, fetcher: FolderFetcher, tmp_path: Path):
        """One byte is enough."""
        (tmp_path / "file").write_bytes(b"x" * 11)
        with pytest.raises(DownloadLengthMismatchError):
            fetcher.download_bytes(str(tmp_path / "file"), 10)

    @pytest.mark.parametrize("place", ["pipe", "folder", "device"])
    def test_what_is_no_file_is_not_read(self, fetcher: FolderFetcher, tmp_path: Path, place):
        """A pipe would wait for ever, and a device never end."""
        path = tmp_path / place
        if place == "pipe":
            os.mkfifo(path)
        elif place == "folder":
            path.mkdir()
        else:
            path.symlink_to("/dev/zero")
        with pytest.raises(DownloadError, match="is no file"):
            fetcher.download_bytes(str(path), 10)

    def test_slow_disk_is_given_up(self, tmp_path: Path):
        """A share of the network can be one."""
        (tmp_path / "file").write_bytes(b"x")
        fetcher = FolderFetcher(replace(QUICK, download_s=-1.0))
        with pytest.raises(SlowRetrievalError):
            fetcher.download_bytes(str(tmp_path / "file"), 10)

    def test_all_files_together_have_a_time_too(self, fetcher: FolderFetcher, tmp_path: Path):
        """However many there are; what comes afterwards has its own again."""
        (tmp_path / "file").write_bytes(b"x")
        with fetcher.within(-1.0), pytest.raises(SlowRetrievalError):
            fetcher.download_bytes(str(tmp_path / "file"), 10)
        assert fetcher.download_bytes(str(tmp_path / "file"), 10) == b"x"


class TestWeb:
    def test_file_is_fetched_and_the_connection_kept(self):
        """A refresh of several files is one connection."""
        with serving(reply(b"one"), reply(b"two")) as web:
            assert [web.fetch(), web.fetch()] == [b"one", b"two"]
            assert web.talk.connections == 1
            assert web.talk.requests[0].startswith("GET /releases/file HTTP/1.1")

    @pytest.mark.parametrize("status", [404, 403, 500, 503, 204, 304])
    def test_other_status_is_an_error_that_names_it(self, status):
        """Also one that only claims success."""
        with serving(reply(b"", status=f"{status} Whatever")) as web:
            with pytest.raises(DownloadHTTPError, match=str(status)) as error:
                web.fetch()
            assert error.value.status_code == status

    def test_server_may_not_name_the_time_of_the_next_try(self):
        """Retry-After could be next year."""
        head = "Retry-After: 31536000\r\n"
        with serving(reply(b"", head, "503 Busy")) as web:
            with pytest.raises(DownloadHTTPError):
                web.fetch()
            assert len(web.talk.requests) == 1

    def test_longer_body_than_allowed_is_given_up(self):
        """Whatever its head says."""
        answer = reply(b"x" * 1001)
        with serving(answer) as web, pytest.raises(DownloadLengthMismatchError):
            web.fetch()

    def test_endless_body_is_given_up(self):
        """After as many bytes as were allowed."""
        flood = drip(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 100_000, every_s=0.0)
        with serving(flood) as web, pytest.raises(DownloadLengthMismatchError):
            web.fetch(1_000_000)

    @pytest.mark.parametrize(
        "start",
        [
            pytest.param(b"", id="status line"),
            pytest.param(b"HTTP/1.1 200 OK\r\nX-Long: ", id="head"),
            pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", id="body"),
            pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", id="body without a length"),
            pytest.param(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n384\r\n", id="chunk"
            ),
            pytest.param(b"HTTP/1.1 404 No\r\nContent-Length: 900\r\n", id="error"),
        ],
    )
    def test_server_that_drips_is_given_up(self, start):
        """A byte now and then, wherever it is, does not keep the device waiting."""
        with (
            serving(drip(start), limits=QUICK) as web,
            pytest.raises(DownloadError, match=r"slowly|404"),
        ):
            web.fetch()

    def test_handshake_that_drips_is_given_up(self):
        """TLS takes bytes as well before a single one of HTTP."""
        record = b"\x16\x03\x03\x40\x00"  # the start of a long message
        with server(greeting=drip(record)) as (url, _):
            fetcher = parse_address(url.replace("http:", "https:")).open(QUICK)
            began = time.monotonic()
            with pytest.raises(SlowRetrievalError):
                fetcher.download_bytes(f"{url.replace('http:', 'https:')}/file", 10)
            fetcher.close()
            assert time.monotonic() - began < PATIENT_S

    def test_silent_server_is_given_up(self):
        """It took the request, and that was all."""
        with (
            serving(silence, limits=QUICK) as web,
            pytest.raises(DownloadError, match="timed out"),
        ):
            web.fetch()

    def test_body_that_ends_early_is_an_error(self):
        """Not a shorter file."""
        with (
            serving(reply(b"half", length=8), limits=QUICK) as web,
            pytest.raises(DownloadError),
        ):
            web.fetch()

    def test_nobody_there_is_an_error_that_says_so(self):
        """In the words of the system, without those of the library."""
        with server(reply(b"")) as (url, _):
            pass
        fetcher = parse_address(url).open(QUICK)
        with pytest.raises(DownloadError, match="Connection refused") as refused:
            fetcher.download_bytes(f"{url}/file", 10)
        assert "HTTPConnection" not in str(refused.value)
        fetcher.close()

    def test_redirect_is_followed(self):
        """Stores of files answer like that."""
        with serving(reply(b"", "Location: /elsewhere\r\n", "302 Found"), reply(b"there")) as web:
            assert web.fetch() == b"there"
            assert web.talk.requests[1].startswith("GET /elsewhere ")

    @pytest.mark.parametrize("location", ["/again", "file:///etc/hostname", "ftp://127.0.0.1/x"])
    def test_redirect_leads_neither_in_circles_nor_out_of_the_web(self, location):
        """Not to a file of the device either."""
        answer = reply(b"", f"Location: {location}\r\n", "302 Found")
        with serving(answer) as web:
            with pytest.raises(DownloadError):
                web.fetch()
            assert len(web.talk.requests) <= REDIRECTS + 1

    def test_body_comes_as_it_lies_on_the_server(self):
        """Nothing is unpacked before it was verified: a small file could become a huge one."""
        packed = reply(b"\x1f\x8b...", "Content-Encoding: gzip\r\n")
        with serving(packed) as web:
            assert web.fetch() == b"\x1f\x8b..."
            assert "accept-encoding: identity" in web.talk.requests[0].lower()

    def test_password_is_sent_to_its_server_and_told_to_no_one(self):
        """It is in no message."""
        with server(reply(b"", status="401 Unauthorized")) as (url, talk):
            fetcher = parse_address(url.replace("http://", "http://me:secret@")).open(USUAL)
            with pytest.raises(DownloadHTTPError, match="401") as error:
                fetcher.download_bytes(f"{url}/file", 10)
            fetcher.close()
        assert "authorization: basic bwu6c2vjcmv0" in talk.requests[0].lower()
        assert "secret" not in str(error.value)

    def test_download_is_cancelled_from_another_thread(self):
        """At once, and for good: the device is ending."""
        patient = replace(QUICK, download_s=60.0, silence_s=60.0)
        with serving(silence, limits=patient) as web:
            timer = threading.Timer(0.2, web.fetcher.cancel)
            timer.start()
            for _ in range(2):
                with pytest.raises(DownloadError, match="ending"):
                    web.fetch()
            timer.join()

    def test_fetcher_is_good_again_after_a_failure(self):
        """The next look at the repository has nothing to do with the last one."""
        with serving(drip(b""), reply(b"there"), limits=replace(QUICK, silence_s=9)) as web:
            with pytest.raises(SlowRetrievalError):
                web.fetch()
            web.fetcher.close()
            assert web.fetch() == b"there"

    def test_proxy_of_the_system_is_used_but_not_for_loopback(self, monkeypatch):
        """Who sits behind one can fetch; who develops on one machine too."""
        with server(reply(b"by proxy")) as (proxy, talk):
            monkeypatch.setenv("http_proxy", proxy)
            monkeypatch.setenv("no_proxy", "")
            fetcher = parse_address("http://models.invalid/x").open(USUAL)
            assert fetcher.download_bytes("http://models.invalid/x/file", 10) == b"by proxy"
            fetcher.close()
            assert talk.requests[0].startswith("GET http://models.invalid/x/file ")
            with serving(reply(b"straight")) as straight:
                assert straight.fetch() == b"straight"

    @pytest.mark.parametrize("proxy", ["http://u:secret@proxy:abc", "socks5://u:secret@proxy:1"])
    def test_proxy_that_cannot_be_used_is_told_without_its_password(self, monkeypatch, proxy):
        """What the system says is no better than what a user gives."""
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setenv("no_proxy", "")

        with pytest.raises(ConfigError, match="the system's proxy") as refused:
            parse_address("http://models.invalid/x").open(USUAL)
        assert "secret" not in str(refused.value)

    def test_certificate_of_the_server_is_checked(self, tmp_path: Path, monkeypatch):
        """Against those of the system, or the file that SSL_CERT_FILE names."""
        pem = make_certificate(tmp_path)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)

        def over_tls(connection: socket.socket, talk: Talk) -> None:
            with context.wrap_socket(connection.dup(), server_side=True) as tls:
                tls.recv(4096)
                reply(b"by TLS")(tls, talk)

        with server(greeting=over_tls) as (url, _):
            url = url.replace("http://127.0.0.1", "https://localhost")
            with pytest.raises(DownloadError, match=r"(?i)certificate"):
                parse_address(url).open(USUAL).download_bytes(f"{url}/file", 10)
            monkeypatch.setenv("SSL_CERT_FILE", str(pem))
            fetcher = parse_address(url).open(USUAL)
            assert fetcher.download_bytes(f"{url}/file", 10) == b"by TLS"
            fetcher.close()


def make_certificate(folder: Path) -> Path:
    """Of localhost, signed by itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "localhost.pem"
    pem.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return pem
