"""One replica of the fraud service that is killed, and started again at the same address."""

import subprocess
from contextlib import suppress
from pathlib import Path

import psutil

from tests.services.fraud.running import await_ready, free_port, serving

END_S = 60.0


class Replica:
    """A served service with a home of its own, and a log there for each of its lives.

    Attributes:
        home: its folder.
        url: where it is asked.
        lives: how often it was started.
    """

    def __init__(self, home: Path, **settings: str) -> None:
        """Nothing is started yet. settings: variables of its environment."""
        self.home, self.lives = home, 0
        self._port, self._settings = free_port(), settings
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; return at once."""
        self.lives += 1
        log = f"serve-{self.lives}.log"
        self._process = serving(self.home, self._port, log=log, **self._settings)

    def await_ready(self) -> None:
        """Wait until it answers."""
        assert self._process is not None, "it was not started"
        await_ready(self.url, self._process)

    def family(self) -> list[psutil.Process]:
        """Its processes: the server first, then its workers, and what these have started."""
        return [] if self._process is None else family_of(self._process.pid)

    def kill(self) -> None:
        """SIGKILL for all its processes, as when its machine loses power or its pod is killed."""
        kill_all(self.family())
        if self._process is not None:
            self._process.wait()

    def stop(self) -> None:
        """End it as an administrator does; what is left after a while is killed."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_S)
        self.kill()


def family_of(pid: int) -> list[psutil.Process]:
    """A process, and then those that it has started, and these; none if it is gone."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def kill_all(family: list[psutil.Process]) -> None:
    """SIGKILL for all of them, and wait until they are gone."""
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(family, timeout=10)
