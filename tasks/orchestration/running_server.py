"""The Prefect server that runs for a home folder: how commands find it, and know that it is that.

It writes down its address and its process. Three cases are told apart: none is noted, or its
process is gone; it answers; its process lives, and it does not answer. Imports no Prefect.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import httpx

from services.storage.files import write_bytes
from services.storage.process import Process
from tasks.orchestration.prefect_access import GIVEN, AccessError, password, password_file

PATIENCE_S = 10.0  # with a server that is asked something: a busy machine takes seconds


@dataclass(frozen=True)
class RunningServer:
    """A Prefect server that runs for a home folder.

    Attributes:
        url: of its API.
        password: user:password; None for a server of an earlier version, which asks for none.
    """

    url: str
    password: str | None

    @property
    def auth(self) -> httpx.BasicAuth | None:
        """The password as requests carry it."""
        return httpx.BasicAuth(*self.password.split(":", 1)) if self.password else None

    @contextmanager
    def requests(self, timeout_s: float) -> Iterator[httpx.Client]:
        """Plain HTTP to its API, with the password and a token for what changes something.

        Raises: httpx.HTTPError: it does not answer, or refuses.
        """
        with httpx.Client(base_url=self.url, auth=self.auth, timeout=timeout_s) as client:
            name = secrets.token_hex(16)
            token = client.get("/csrf-token", params={"client": name})
            if token.status_code != httpx.codes.UNPROCESSABLE_ENTITY:  # it asks for none
                client.headers["Prefect-Csrf-Client"] = name
                client.headers["Prefect-Csrf-Token"] = token.raise_for_status().json()["token"]
            yield client


class NoAnswer(AccessError):
    """The process of the home's server lives, and it cannot be asked: a second one would harm it.

    Attributes:
        server: where it should answer.
        fault: what is wrong.
        cure: what to do.
    """

    def __init__(self, server: RunningServer, pid: int, reason: str) -> None:
        self.server = server
        self.fault = f"its process {pid} lives, and {reason}"
        self.cure = f"wait, or see its log; if that does not help, kill {pid} and start it again"
        super().__init__(f"the Prefect server at {server.url}: {self.fault}: {self.cure}")


def note_server(home: Path, url: str, pid: int) -> None:
    """Let commands of this home folder find the server that runs for it, as this process."""
    _note(home).parent.mkdir(parents=True, exist_ok=True)
    write_bytes(_note(home), f"{url}\n{Process.of(pid)}\n".encode())


def noted_process(home: Path) -> int | None:
    """The number of the process that is known to be this home's server; None: there is none."""
    noted = _Noted.read(home)
    return noted.process.pid if noted and noted.process and noted.is_alive() else None


def running_server(
    home: Path, url: str | None = None, patience_s: float = PATIENCE_S
) -> RunningServer | None:
    """The server that `make up` runs on this home folder, if it does.

    None: no server is noted, or the process of the one that is has ended. The address alone proves
    nothing: by now another server may answer there. So the password goes only to an address whose
    server is still that process, and the server must say that its home is this one. Earlier
    versions noted no more than the number of the process, which others may have by now, or not
    even that, and their servers ask for no password: silence there is no server.

    url: it is meant only if it is there. patience_s: how long an answer may take.

    Raises:
        NoAnswer: its process lives, and it cannot be asked.
        AccessError: it refuses the password, or the password cannot be used.
        OSError: what is noted, or the password, cannot be read.
    """
    noted = _Noted.read(home)
    if noted is None or (url and noted.url != url.rstrip("/")) or not noted.is_alive():
        return None
    server = RunningServer(noted.url, None if noted.pid is None else password(home))
    silence = _silence(home, server, patience_s)
    if silence and noted.process is not None:
        raise NoAnswer(server, noted.process.pid, silence)
    return None if silence else server


def _silence(home: Path, server: RunningServer, patience_s: float) -> str:
    """Why it cannot be asked; empty: it answers, and says that it serves this home.

    Raises: AccessError: it refuses the password.
    """
    try:
        answer = httpx.get(f"{server.url}/admin/settings", auth=server.auth, timeout=patience_s)
        if server.password and answer.status_code == httpx.codes.UNAUTHORIZED:
            raise AccessError(
                f"the Prefect server at {server.url} refuses the password of {password_file(home)}:"
                f" start it again, or set {GIVEN} to what it was started with"
            )
        its_home = Path(answer.raise_for_status().json()["home"])
    except httpx.TimeoutException:
        return f"it gives no answer within {patience_s:g} s"
    except httpx.HTTPStatusError as error:
        return f"it answers with status {error.response.status_code}"
    except httpx.HTTPError:
        return "it takes no requests"
    except (httpx.InvalidURL, ValueError, LookupError, TypeError):
        return "what answers at its address is no Prefect server"
    is_of_home = its_home.resolve() == (home / "prefect").resolve()
    return "" if is_of_home else "another server answers at its address"


def _note(home: Path) -> Path:
    return home / "prefect" / "server.url"


@dataclass(frozen=True)
class _Noted:
    """What a server has written down of itself.

    pid: None in the note of a very early version. process: None where only its number is known.
    """

    url: str
    pid: int | None = None
    process: Process | None = None

    @classmethod
    def read(cls, home: Path) -> Self | None:
        """None: there is no note, or a damaged one."""
        try:
            lines = _note(home).read_text("utf-8", "replace").splitlines()
        except (FileNotFoundError, NotADirectoryError):
            return None
        url, owner = (*lines, "", "")[:2]
        process = Process.read(owner)
        if process is not None:
            return cls(url, process.pid, process if process.started else None)
        if not url or (owner and not owner.isdecimal()):
            return None
        return cls(url, int(owner) if owner else None)

    def is_alive(self) -> bool:
        """Whether its process is there, as far as that can be seen; and we could end it."""
        if self.process is not None and (not self.process.is_near or self.process.is_gone()):
            return False
        if self.pid is None:
            return True
        try:
            os.kill(self.pid, 0)
        except OSError:
            return False
        return True
