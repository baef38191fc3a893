"""What the soak's processes, files and tables take, looked at again and again beside the load."""

import os
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from tests.benchmarks.soak.records import POSTGRES, Sample
from tests.benchmarks.soak.stack import Postgres
from tests.services.fraud.replica import Replica

LOADER = "services.fraud.log.loader"
# Parts of a home whose files are watched, by where they lie in it; all others count as rest.
PARTS = {"fraud/spill": "spill", "fraud/metrics": "metrics", "fraud/state": "state"}


class Sampler:
    """Takes a sample every few seconds, in a thread."""

    def __init__(
        self, replicas: Sequence[Replica], postgres: Postgres, homes: Sequence[Path], every_s: float
    ) -> None:
        self.samples: list[Sample] = []
        self._replicas, self._postgres, self._homes = replicas, postgres, homes
        self._every_s, self._stop = every_s, threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def __enter__(self) -> "Sampler":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            self.samples.append(self.take())

    def take(self) -> Sample:
        """How things are now."""
        memory: Counter[str] = Counter()
        open_files: Counter[str] = Counter()
        for number, replica in enumerate(self._replicas, 1):
            for name, process in named(replica.family()):
                with suppress(psutil.Error):  # it has just ended
                    place = f"{number} {name}#{replica.lives}"
                    memory[place] += process.memory_info().rss
                    open_files[place] += process.num_fds()
        place = f"{POSTGRES}#{self._postgres.lives}"
        for process in self._postgres.family():
            with suppress(psutil.Error):
                # What processes share is counted once, divided among them.
                memory[place] += process.memory_full_info().pss
                open_files[place] += process.num_fds()
        files: Counter[str] = Counter()
        for number, home in enumerate(self._homes, 1):
            files.update({f"{number} {part}": size for part, size in file_sizes(home).items()})
        tables = self._postgres.table_sizes()
        return Sample(time.time(), memory, open_files, files, tables)


def named(family: Sequence[psutil.Process]) -> list[tuple[str, psutil.Process]]:
    """The processes of a server with what they are: server, worker, or log."""
    found = []
    for place, process in enumerate(family):
        try:
            name = "log" if LOADER in process.cmdline() else "worker"
        except psutil.Error:  # it has just ended
            continue
        found.append(("server" if place == 0 else name, process))
    return found


def file_sizes(home: Path) -> dict[str, int]:
    """Bytes of the files of a home by part; what disappears meanwhile counts nothing."""
    sizes: Counter[str] = Counter(dict.fromkeys(("log", "rest", *PARTS.values()), 0))
    for folder, _, names in os.walk(home):
        for name in names:
            path = Path(folder) / name
            with suppress(OSError):
                sizes[_part(path.relative_to(home))] += path.lstat().st_size
    return dict(sizes)


def _part(path: Path) -> str:
    if path.suffix == ".log":
        return "log"
    text = path.as_posix()
    return next((part for start, part in PARTS.items() if text.startswith(start)), "rest")
