"""Who may command a Prefect server of ours: its password, and the settings that go with it.

A web page that somebody visits can send requests to 127.0.0.1, and Prefect's own defaults take
them from anybody. So each server that we start asks for a password (basic auth), asks whoever
changes something for a token that a foreign page cannot read (CSRF), and answers pages of its
own UI alone (CORS).

The password is made at the first start and kept in TRIPTYCH_HOME/prefect/password, which only its
owner reads; PREFECT_SERVER_API_AUTH_STRING in the environment goes before. It is sent to servers
that run for this home folder and to no others: where PREFECT_API_URL names somebody else's, that
one's password is PREFECT_API_AUTH_STRING. Imports no Prefect, so that whatever only starts
processes starts fast.
"""

import logging
import os
import re
import secrets
import stat
from pathlib import Path

import httpx

from services.storage.files import write_bytes
from services.storage.locks import held

USER = "admin"
GIVEN = "PREFECT_SERVER_API_AUTH_STRING"
_VACUUM = "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED"
_FORM = re.compile(r"[^\s:]+:\S+")
_MOST_BYTES = 4096
_logger = logging.getLogger(__name__)


class AccessError(Exception):
    """The server cannot be used: the message says why, and what would help."""


def describe_refusal(url: httpx.URL) -> str:
    """That somebody else's server refuses our password; the address may hold one, and is cut."""
    return (
        f"the Prefect server at {url.netloc.decode()} refuses the password: set"
        " PREFECT_API_AUTH_STRING to its own, user:password"
    )


def password_file(home: Path) -> Path:
    """Where the password lies, as user:password."""
    return home / "prefect" / "password"


def scrape_password_file(home: Path) -> Path:
    """Where the password alone lies, as Prometheus presents it at the server's /api/metrics."""
    return home / "prefect" / "scrape-password"


def password(home: Path) -> str:
    """What the server of this home folder asks for, as user:password; made if there is none yet.

    Raises:
        AccessError: the file holds no password, or others can read it and that cannot be mended.
        OSError: it can be neither read nor made.
    """
    if given := os.environ.get(GIVEN):
        if not _FORM.fullmatch(given):
            raise AccessError(f"{GIVEN} is not of the form user:password")
        return given
    file = password_file(home)
    if not os.path.lexists(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        with held(file.parent):  # of two first starts one makes it, and the other takes that
            if not os.path.lexists(file):
                made = f"{USER}:{secrets.token_urlsafe(24)}\n"
                write_bytes(file, made.encode(), mode=0o600)
    return _read(file)


def server_environment(home: Path, port: int, host: str = "127.0.0.1") -> dict[str, str]:
    """Variables for a Prefect server of this home folder.

    host: the address that it listens on; browsers reach it as 127.0.0.1 or localhost.
    """
    return {
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_SERVER_API_HOST": host,
        "PREFECT_SERVER_API_PORT": str(port),
        GIVEN: password(home),
        "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED": "true",
        "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": (
            f"http://127.0.0.1:{port},http://localhost:{port}"
        ),
        # A server that is started again knows which runs hold a place; by default it forgets, and
        # runs that live are cancelled.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
            "prefect.server.concurrency.lease_storage.filesystem"
        ),
        # Its own records of runs and events go by themselves; by default runs stay for ever.
        _VACUUM: os.environ.get(_VACUUM, "events,flow_runs"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_METRICS_ENABLED": "true",  # at /api/metrics, for who has the password
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
    }


def client_environment(home: Path, url: str) -> dict[str, str]:
    """Variables for whatever reports to the server of this home folder, or asks it."""
    return {
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_API_URL": url,
        "PREFECT_API_AUTH_STRING": password(home),
        "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "true",
    }


def describe_login(home: Path, at_terminal: bool) -> str:
    """How to log in at the UI; the password itself is for a person's eyes, not for a log."""
    if os.environ.get(GIVEN):
        return f"log in with the value of {GIVEN}"
    shown = f": {password(home)}" if at_terminal else ""
    return f"log in with what {password_file(home)} holds{shown}"


def _read(file: Path) -> str:
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if file.is_symlink():
            raise AccessError(f"{file} is a link: delete it, and a password is made") from error
        raise
    with os.fdopen(handle, "rb") as content:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise AccessError(f"{file} is no file: delete it, and a password is made")
        _keep_private(handle, file)
        known = content.read(_MOST_BYTES).decode("utf-8", "replace").strip()
    if not _FORM.fullmatch(known):
        raise AccessError(
            f"{file} does not hold user:password in one line: delete it, and one is made"
        )
    return known


def _keep_private(handle: int, file: Path) -> None:
    """Take from others the right to read it, should they have it."""
    if not os.fstat(handle).st_mode & 0o077:
        return
    try:
        os.fchmod(handle, 0o600)
    except OSError as error:
        raise AccessError(
            f"others can read {file}, and it belongs to another user: delete it, and one is made"
        ) from error
    if os.fstat(handle).st_mode & 0o077:
        raise AccessError(
            f"others can read {file}, as its disk keeps no permissions: delete it, and set"
            f" {GIVEN} to admin: and a password of your own"
        )
    _logger.warning(
        "others could read %s; now only its owner can. Delete it for a new password, and start"
        " the server again",
        file,
    )
