"""Takes batches of records to the collector: a folder, or an HTTP address."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import urllib3
from urllib3.util import Timeout

from edge_detector.errors import ConfigError
from edge_detector.system.address import hide_secrets
from edge_detector.system.atomic import replace_file
from edge_detector.telemetry.spool import Batch

KEY = "EDGE_DETECTOR_TELEMETRY_KEY"
CONNECT_S = 10.0
SILENCE_S = 20.0  # between two packets
MAX_ANSWER_BYTES = 4_096
# What the same bytes will get again, however often: malformed, too large, not understood.
# Only from the collector itself: a proxy or a guest network answers so, too, and may be gone soon.
_HOPELESS = frozenset({400, 413, 415, 422})


class Unsent(Exception):
    """A batch could not be delivered; it is to be tried again."""


class Refused(Exception):
    """The collector will never take this batch."""


class Delivery(Protocol):
    """A way to the collector."""

    def send(self, device_id: str, batch: Batch) -> None:
        """Deliver a batch; having delivered it before does no harm.

        Raises:
            Unsent: try again later.
            Refused: the collector will not take it.
        """


def open_delivery(destination: str, key: str | None = None) -> Delivery:
    """The way to a folder, a file:// or an http(s):// address.

    key: what the collector asks a device for.

    Raises:
        ConfigError: no such address.
    """
    scheme, colon, _ = destination.partition(":")
    if colon and scheme.lower() in ("http", "https"):
        return HttpDelivery(destination, key)
    if colon and scheme.lower() == "file":
        with suppress(ValueError):
            return FolderDelivery(Path(urlsplit(destination).path))
    if "://" in destination:
        raise ConfigError(
            f"telemetry cannot go to {hide_secrets(destination)}: use a folder or http(s)://…"
        )
    return FolderDelivery(Path(destination).expanduser())


def read_key(environment: Mapping[str, str]) -> str | None:
    """The device's key: EDGE_DETECTOR_TELEMETRY_KEY, else what the file of …_KEY_FILE holds.

    Raises: ConfigError: the file cannot be read, or is empty.
    """
    file = environment.get(f"{KEY}_FILE")
    if (key := environment.get(KEY)) or not file:
        return key
    try:
        key = Path(file).read_text("utf-8").strip()
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigError(f"{KEY}_FILE: {file} cannot be read ({reason})") from error
    if not key:
        raise ConfigError(f"{KEY}_FILE: {file} is empty: put the device's key into it")
    return key


class FolderDelivery:
    """Files in `<folder>/<device>/`, each there whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, device_id: str, batch: Batch) -> None:
        utc = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
        place = self._folder / device_id
        try:
            place.mkdir(parents=True, exist_ok=True)
            replace_file(place / f"{utc}-{batch.name}.jsonl", batch.body)
        except OSError as error:
            raise Unsent(f"{place}: {os.strerror(error.errno or 0)}") from error


class HttpDelivery:
    """`POST <address>/<device>` with the lines as the body."""

    def __init__(self, address: str, key: str | None = None) -> None:
        """Raises: ConfigError: no host, a port that is none, or what would be a secret in it."""
        hidden = hide_secrets(address)
        try:
            parts = urlsplit(address)
            usable = bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if hidden != address:  # it is in every message, and the device's name goes at its end
            raise ConfigError(
                f"telemetry cannot go to {hidden}: write http(s)://HOST/telemetry, without user,"
                " password, ? and #; the device's key is asked of EDGE_DETECTOR_TELEMETRY_KEY"
            )
        if not usable:
            raise ConfigError(f"telemetry cannot go to {hidden}: use http(s)://HOST/telemetry")
        self._address = address.rstrip("/")
        self._headers = {"Content-Type": "application/x-ndjson"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._pool = urllib3.PoolManager(
            num_pools=1,
            maxsize=1,
            retries=False,
            timeout=Timeout(connect=CONNECT_S, read=SILENCE_S),
        )

    def send(self, device_id: str, batch: Batch) -> None:
        address = f"{self._address}/{device_id}"
        try:
            answer = self._pool.request(
                "POST",
                address,
                body=batch.body,
                headers=self._headers,
                redirect=False,
                preload_content=False,
            )
            try:
                body = answer.read(MAX_ANSWER_BYTES)
            finally:
                answer.close()  # what else it may say is not read
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unsent(f"{address}: {error}") from error
        # A text there is how our collector says no, and nobody on the way to it.
        if answer.status in _HOPELESS and isinstance(_entry(body, "error"), str):
            raise Refused(f"{address}: {answer.status} {_excerpt(body)}")
        if answer.status != 200:
            raise Unsent(f"{address}: {answer.status} {_excerpt(body)}")
        # The sign-in page of a guest network is a 200, too.
        if _entry(body, "received") != batch.records:
            raise Unsent(
                f"{address}: this is no collector, or it did not get all: {_excerpt(body)}"
            )


def _entry(body: bytes, name: str) -> object:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return answer.get(name) if isinstance(answer, dict) else None


def _excerpt(body: bytes) -> str:
    text = body[:200].decode("utf-8", "replace")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
