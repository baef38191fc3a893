"""Why a request is not answered, and the one shape in which callers are told."""

import logging
import time
from dataclasses import dataclass, field

import orjson

from services.fraud.errors import OtherContract, StateUnavailable, TransactionConflict
from services.fraud.scoring.detector import NotReady

Headers = tuple[tuple[bytes, bytes], ...]
BUSY = "busy"
CLOSE: Headers = ((b"connection", b"close"),)  # what else the caller sends is not read
TELL_EVERY_S, MOST_TOLD = 10.0, 16
logger = logging.getLogger(__name__)
_told: dict[str, float] = {}  # faults that many requests meet, and when each was logged


@dataclass
class HttpProblem(Exception):
    """A request that is not answered: status, stable code, and what to do."""

    status: int
    code: str
    message: str
    fields: list[dict[str, str]] = field(default_factory=list)
    headers: Headers = ()

    def body(self, request_id: str) -> bytes:
        """The answer, an `ErrorAnswer` as JSON."""
        return orjson.dumps(
            {
                "error": {
                    "code": self.code,
                    "message": self.message,
                    "fields": self.fields,
                    "request_id": request_id,
                }
            }
        )


def too_large(path: str, max_bytes: int) -> HttpProblem:
    """A body over the limit of its path."""
    return HttpProblem(
        413, "too_large", f"{path} takes bodies of at most {max_bytes:,} bytes", headers=CLOSE
    )


def busy() -> HttpProblem:
    """Too much at once."""
    return wait(BUSY, "too many requests in flight; try again in a second", 1)


def wait(code: str, message: str, seconds: int) -> HttpProblem:
    """An answer may be had later."""
    return HttpProblem(503, code, message, headers=((b"retry-after", b"%d" % seconds),))


def problem_of(error: Exception) -> Exception:
    """What a caller is told of an error of the panel; itself if it is nothing to tell."""
    if isinstance(error, NotReady):
        return wait("not_ready", str(error), 5)
    if isinstance(error, TransactionConflict):
        return HttpProblem(409, "conflict", str(error))
    if isinstance(error, OtherContract):
        return HttpProblem(409, "other_contract", str(error))
    if isinstance(error, StateUnavailable):
        _tell(str(error))
        told = "the windows of customers and terminals cannot be read; /detect_fraud needs none"
        return wait("state_unavailable", told, 5)
    return error


def _tell(fault: str) -> None:
    """Log what keeps requests from being answered: now and then, however many they are."""
    now = time.monotonic()
    if now < _told.get(fault, -TELL_EVERY_S) + TELL_EVERY_S:
        return
    if len(_told) >= MOST_TOLD:
        _told.clear()
    _told[fault] = now
    logger.error("%s", fault)
