"""The fleet's web application: releases to take, telemetry to give.

- `GET /releases/metadata/…` and `/releases/targets/…`: the signed repository as it lies in its
  folder, and nothing beside it. Whatever else a device must trust is in the signatures.
- `POST /telemetry/<device>`: lines of JSON, put into the device's folder as they are; what they
  are worth is decided when they are loaded.
- `GET /health`, and `GET /metrics` for Prometheus.

One of the server's keys opens every device's folder: for a gateway that collects for many. A
device is given a key of its own, derived from the first of the server's: stolen from one, it
opens that one's folder alone. Nothing is stored for either.

Every body, folder and queue has a ceiling: a hostile device costs disk and time up to these.
"""

import asyncio
import hashlib
import hmac
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

from edge_detector.contract.names import DEVICE_ID
from edge_detector.contract.telemetry import MAX_BATCH_BYTES
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from edge.fleet.errors import InboxError
from edge.fleet.http.metrics import MEDIA_TYPE, FleetMetrics, Measured
from edge.fleet.inbox import list_devices, list_files, write_batch

LATER = {"Retry-After": "600"}  # seconds
LOOPBACK = frozenset({"127.0.0.1", "::1", "::ffff:127.0.0.1"})
_KEY_PURPOSE = b"triptych telemetry "
NEVER_CHANGES = re.compile(r"metadata/\d+\.[^/]+\.json|targets/(.+/)?[0-9a-f]{64}\.[^/]+")


@dataclass(frozen=True)
class Ceilings:
    """What the server bears."""

    body_bytes: int = MAX_BATCH_BYTES
    body_s: float = 20.0  # for a body to arrive
    waiting_files: int = 300  # per device, until they are loaded
    devices: int = 10_000
    free_bytes: int = 200_000_000  # that stay free on the disk


class ReleaseFiles(StaticFiles):
    """The repository's folder. What is named by its content or number may be cached for good."""

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, check_dir=False)  # it may be published later
        self._folder = folder

    async def check_config(self) -> None:
        """Nothing is asked once and for all: the folder may come and go, as disks do."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        parts = Path(path).parts
        if not parts or parts[0] not in ("metadata", "targets"):
            raise HTTPException(404)
        if any(part.startswith(".") for part in parts):  # what is just being written
            raise HTTPException(404)
        response = await self._find(path, scope)
        keep = NEVER_CHANGES.fullmatch(Path(path).as_posix()) is not None
        response.headers["Cache-Control"] = (
            "public, max-age=31536000, immutable" if keep else ("no-cache")
        )
        return response

    async def _find(self, path: str, scope: Scope) -> Response:
        """Raises: HTTPException: there is no such file, or no folder, or it cannot be read."""
        try:
            if not await run_in_threadpool(self._folder.is_dir):
                raise HTTPException(503, "the folder of releases is missing", headers=LATER)
            return await super().get_response(path, scope)
        except OSError as error:
            raise HTTPException(503, "the releases cannot be read", headers=LATER) from error
        except HTTPException as refusal:
            if refusal.status_code == HTTPStatus.UNAUTHORIZED:  # so the disk says, to this server
                raise HTTPException(503, "the releases cannot be read", headers=LATER) from refusal
            raise


def build(
    releases: Path | None,
    inbox: Path,
    keys: tuple[str, ...] = (),
    ceilings: Ceilings = Ceilings(),
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Starlette:
    """The application.

    releases: the folder to hand out, if any; keys: what opens the inbox; without one it is open
    to callers on this machine alone.
    """
    metrics = FleetMetrics(inbox)

    async def telemetry(request: Request) -> Response:
        device = request.path_params["device"]
        _authorise(request, device, keys)
        body = await _read_body(request, ceilings)
        await run_in_threadpool(_store, inbox, device, body, ceilings, now())
        received = body.count(b"\n")
        metrics.records.inc(received)
        return JSONResponse({"received": received})

    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def figures(_request: Request) -> Response:
        try:
            return Response(await run_in_threadpool(metrics.render), media_type=MEDIA_TYPE)
        except OSError as error:
            raise HTTPException(503, "the inbox's disk cannot be asked", headers=LATER) from error

    routes: list[Route | Mount] = [
        Route("/health", health),
        Route("/metrics", figures),
        Route("/telemetry/{device}", telemetry, methods=["POST"]),
    ]
    if releases is not None:
        routes.append(Mount("/releases", ReleaseFiles(releases)))
    return Starlette(
        routes=routes,
        middleware=[Middleware(Measured, metrics)],
        exception_handlers={HTTPException: _refuse},
    )


def device_key(key: str, device: str) -> str:
    """The key of one device, as long as that key of the server is valid."""
    return hmac.new(key.encode(), _KEY_PURPOSE + device.encode(), hashlib.sha256).hexdigest()[:40]


def is_allowed(given: str, device: str, keys: Sequence[str]) -> bool:
    """Whether a key opens a device's folder; wrong ones take as long to tell as right ones."""
    presented = given.encode("utf-8", "surrogateescape")
    found = False
    for key in keys:
        found |= hmac.compare_digest(presented, key.encode())
        found |= hmac.compare_digest(presented, device_key(key, device).encode())
    return found


def _authorise(request: Request, device: str, keys: tuple[str, ...]) -> None:
    """Raises: HTTPException: no such device id, or a caller who may not write there."""
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    given = request.headers.get("x-api-key") or (bearer if scheme.lower() == "bearer" else "")
    if not keys:
        if request.client is None or request.client.host not in LOOPBACK:
            raise HTTPException(
                401, "telemetry is taken from this machine alone until TRIPTYCH_FLEET_KEYS is set"
            )
        # Browsers name the page in each POST, and no device is a page: one that somebody visits
        # on this machine must not report for a device.
        if "origin" in request.headers or "sec-fetch-site" in request.headers:
            raise HTTPException(403, "telemetry is taken from no web page")
    elif not is_allowed(given.strip(), device, keys):
        raise HTTPException(
            401,
            "give this device's key: Authorization: Bearer KEY",
            headers={"WWW-Authenticate": "Bearer"},
        )
    if not DEVICE_ID.accepts(device):
        raise HTTPException(400, "a device id has 1 to 64 letters, digits, - and _")


async def _read_body(request: Request, ceilings: Ceilings) -> bytes:
    """Raises: HTTPException: too large, too slow, compressed, or no lines."""
    packed = ",".join(request.headers.getlist("content-encoding")).split(",")
    if any(coding.strip().lower() not in ("", "identity") for coding in packed):
        raise HTTPException(415, "send the lines as they are, not compressed")
    body = bytearray()
    try:
        async with asyncio.timeout(ceilings.body_s):
            async for chunk in request.stream():
                body += chunk
                if len(body) > ceilings.body_bytes:
                    raise HTTPException(
                        413,
                        f"at most {ceilings.body_bytes:,} bytes at once",
                        headers={"Connection": "close"},
                    )
    except TimeoutError:
        raise HTTPException(
            408,
            f"the body did not arrive within {ceilings.body_s:g} s",
            headers={"Connection": "close"},
        ) from None
    except ClientDisconnect:
        raise HTTPException(400, "the caller went away") from None
    if not body.endswith(b"\n"):
        raise HTTPException(400, "send lines of JSON, each with its end")
    return bytes(body)


def _store(
    inbox: Path, device: str, body: bytes, ceilings: Ceilings, received_at: datetime
) -> None:
    """Raises: HTTPException: there is no room, or the disk refuses."""
    try:
        inbox.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(inbox).free < ceilings.free_bytes:
            raise HTTPException(507, "the collector's disk is nearly full", headers=LATER)
        if (inbox / device).is_dir():
            if len(list_files(inbox / device)) >= ceilings.waiting_files:
                raise HTTPException(429, "too much waits to be loaded", headers=LATER)
        elif len(list_devices(inbox)) >= ceilings.devices:
            raise HTTPException(429, "there are too many devices already", headers=LATER)
        write_batch(inbox, device, body, received_at)
    except (InboxError, OSError) as error:
        raise HTTPException(503, "the inbox cannot be written", headers=LATER) from error


async def _refuse(_request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, HTTPException)
    body = {"error": refusal.detail}
    return JSONResponse(body, status_code=refusal.status_code, headers=refusal.headers)
