"""Why a request is not answered, and the one shape in which callers are told."""

from dataclasses import dataclass, field

import orjson

Headers = tuple[tuple[bytes, bytes], ...]
BUSY = "busy"
CLOSE: Headers = ((b"connection", b"close"),)  # what else the caller sends is not read


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
