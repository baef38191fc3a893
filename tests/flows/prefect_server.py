"""One Prefect server for all the tests of a process, started when the first one asks for it."""

import contextvars
import tempfile
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from prefect.settings import PREFECT_API_AUTH_STRING

from tasks.orchestration.prefect_api import prefect_api

_open = ExitStack()
_context = contextvars.copy_context()  # the server's address becomes no setting of every test


@cache
def server_url() -> str:
    """The address of its API."""
    folder = Path(_open.enter_context(tempfile.TemporaryDirectory(prefix="prefect-")))
    return _context.run(_open.enter_context, prefect_api(folder, announce=lambda _: None))


def server_password() -> str:
    """What it asks for, as user:password."""
    server_url()
    password = _context.run(PREFECT_API_AUTH_STRING.value)
    return str(password)


def stop_server() -> None:
    """End it, and forget what it knew."""
    _context.run(_open.close)
    server_url.cache_clear()
