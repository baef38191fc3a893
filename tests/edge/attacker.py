"""What the attacks need: a mirror to tamper with, stolen keys, a web server that misbehaves.

The publisher's repository is never touched. Devices read from a mirror of it, which an attacker
owns: it can change any byte there, and sign with the keys it has stolen.
"""

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from edge.release.repository.keys import Keys

AnyRole = Root | Targets | Snapshot | Timestamp


class Mirror:
    """A copy of a repository, and what an attacker does to it."""

    def __init__(self, publisher: Path, folder: Path) -> None:
        self._publisher = publisher
        self.folder = folder
        self.sync()

    def sync(self) -> None:
        """Be faithful: show what the publisher shows."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self._publisher, self.folder)

    def keep(self, folder: Path) -> "Mirror":
        """A copy of what is shown now, to be shown later."""
        return Mirror(self.folder, folder)

    def show(self, other: "Mirror") -> None:
        """Show what was kept."""
        shutil.rmtree(self.folder)
        shutil.copytree(other.folder, self.folder)

    def path(self, role: str) -> Path:
        """The current metadata file of a role."""
        if role == "timestamp":
            return self.folder / "metadata" / "timestamp.json"
        versions = (
            int(path.name.split(".")[0])
            for path in (self.folder / "metadata").glob(f"*.{role}.json")
        )
        return self.folder / "metadata" / f"{max(versions)}.{role}.json"

    def target(self, pattern: str) -> Path:
        """The one target file that matches, such as `parts/2.0.0/*.model.tflite`."""
        (path,) = (self.folder / "targets").glob(pattern)
        return path

    def read(self, role: str) -> Any:
        """The signed part of a role's current metadata."""
        return Metadata.from_bytes(self.path(role).read_bytes()).signed

    def alter(self, path: Path, change: Callable[[Any], None]) -> None:
        """Change metadata and leave its signatures and its form as they are."""
        content = json.loads(path.read_bytes())
        change(content)
        path.write_text(json.dumps(content, separators=(",", ":"), sort_keys=True))

    def write(
        self, signed: Root | Targets | Snapshot | Timestamp, keys: Sequence[CryptoSigner]
    ) -> None:
        """Sign metadata with keys, and show it."""
        name = (
            "timestamp.json"
            if isinstance(signed, Timestamp)
            else f"{signed.version}.{signed.type}.json"
        )
        (self.folder / "metadata" / name).write_bytes(signed_bytes(signed, keys))

    def forge(self, keys: "StolenKeys", targets: Targets | None = None) -> None:
        """Show these targets with a snapshot and timestamp that lead to them, signed as can be."""
        if targets is not None:
            self.write(targets, keys.of("targets"))
        snapshot: Snapshot = self.read("snapshot")
        snapshot.version += 1
        snapshot.meta["targets.json"] = self.meta("targets")
        self.write(snapshot, keys.of("snapshot"))
        timestamp: Timestamp = self.read("timestamp")
        timestamp.version += 1
        timestamp.snapshot_meta = self.meta("snapshot")
        self.write(timestamp, keys.of("timestamp"))

    def meta(self, role: str) -> MetaFile:
        """What another role says of the current file of this one."""
        content = self.path(role).read_bytes()
        return MetaFile.from_data(self.read(role).version, content, ["sha256"])

    def add_target(self, targets: Targets, path: str, content: bytes) -> None:
        """Put a file among targets and show it."""
        target = TargetFile.from_data(path, content)
        targets.targets[path] = target
        place = self.folder / "targets" / target.get_prefixed_paths()[0]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


@dataclass(frozen=True)
class StolenKeys:
    """Private keys in the wrong hands, by the names of their files; others are made up."""

    signers: dict[str, CryptoSigner]

    def of(self, role: str) -> list[CryptoSigner]:
        """What it signs with: what it has stolen of a role, or a key of its own."""
        stolen = [key for name, key in self.signers.items() if name.startswith(f"{role}-")]
        return stolen or [CryptoSigner.generate_ed25519()]


def steal(keys: Keys, *names: str) -> StolenKeys:
    """Copy keys of the publisher, such as `targets-1`."""
    signers = {key.name: key.signer for key in keys.by_id().values()}
    return StolenKeys({name: signers[name] for name in names})


def signed_bytes(signed: AnyRole, keys: Sequence[CryptoSigner]) -> bytes:
    """Metadata with the signatures of these keys."""
    metadata: Metadata[Any] = Metadata(signed)
    for key in keys:
        metadata.sign(key, append=True)
    return metadata.to_bytes()


@dataclass
class Behaviour:
    """How a server treats the requests that match; by default it serves the folder.

    sent: body bytes that it has written of such answers.
    """

    matches: Callable[[str], bool] = lambda _path: False
    answer: Callable[["_Handler"], None] = lambda _handler: None
    sent: int = 0
    asked: list[str] = field(default_factory=list)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = True

    folder: Path
    behaviour: Behaviour
    ending: threading.Event

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 20
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        behaviour = self.server.behaviour
        behaviour.asked.append(self.path.lstrip("/"))
        if behaviour.matches(self.path.lstrip("/")):
            with suppress(ConnectionError, TimeoutError):
                behaviour.answer(self)
            return
        file = self.server.folder / self.path.lstrip("/")
        content = file.read_bytes() if file.is_file() else b""
        self.send_response(200 if file.is_file() else 404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Tests are quiet."""


class WebServer:
    """Serves a folder on loopback, and misbehaves when it is told to."""

    def __init__(self, folder: Path) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.folder = folder
        self._server.behaviour = Behaviour()
        self._server.ending = threading.Event()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @property
    def behaviour(self) -> Behaviour:
        return self._server.behaviour

    def behave(self, behaviour: Behaviour | None = None) -> None:
        """Treat some requests in another way from now on; None: be a good server."""
        self._server.behaviour = behaviour or Behaviour()

    @contextmanager
    def running(self) -> Iterator["WebServer"]:
        """Serve; at the end no thread and no connection is left."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield self
        finally:
            self._server.ending.set()
            self._server.shutdown()
            thread.join()
            self._server.server_close()


def streams(
    handler: _Handler, chunk: bytes, every_s: float = 0.0, length: int | None = None
) -> None:
    """Answer with a body that does not end; length: what the head says of it."""
    handler.close_connection = True
    handler.send_response(200)
    if length is None:
        handler.send_header("Connection", "close")
    else:
        handler.send_header("Content-Length", str(length))
    handler.end_headers()
    give_up_at = time.monotonic() + 60  # a device that takes it all must not hang the test
    while time.monotonic() < give_up_at and not handler.server.ending.is_set():
        handler.wfile.write(chunk)
        handler.server.behaviour.sent += len(chunk)
        if every_s:
            handler.server.ending.wait(every_s)


def silent(handler: _Handler) -> None:
    """Take the request and say nothing."""
    handler.close_connection = True
    handler.server.ending.wait(60)


def answers(
    status: int, body: bytes = b"", headers: Mapping[str, str] = MappingProxyType({})
) -> Callable[[_Handler], None]:
    """Answer every time the same."""

    def answer(handler: _Handler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def drips(handler: _Handler) -> None:
    """Send a byte of the body now and then: no socket ever times out."""
    streams(handler, b" ", every_s=0.05, length=1000)


def drips_its_head(handler: _Handler) -> None:
    """The same before the body begins."""
    handler.close_connection = True
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Header: ")
    give_up_at = time.monotonic() + 60
    while time.monotonic() < give_up_at and not handler.server.ending.wait(0.05):
        handler.wfile.write(b"x")
        handler.server.behaviour.sent += 1


def cuts_off(handler: _Handler) -> None:
    """Promise more than comes."""
    handler.close_connection = True
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"half")
