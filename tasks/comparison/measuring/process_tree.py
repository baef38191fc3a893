"""What a process and all that it has started use: CPU seconds, and memory at its peak."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil

EVERY_S = 0.1


@dataclass
class Usage:
    """Of a tree of processes while it was watched.

    Attributes:
        cpu_s: user and system time, of processes that have ended too.
        peak_mib: the largest sum of resident sizes that was seen.
    """

    cpu_s: float = 0.0
    peak_mib: float = 0.0
    _before: dict[int, float] = field(default_factory=dict)
    _now: dict[int, float] = field(default_factory=dict)

    def look(self, root: psutil.Process, *, first: bool = False) -> None:
        """Read the tree once more."""
        resident = 0
        for process in _family(root):
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    resident += process.memory_info().rss
            except psutil.Error:  # it has ended meanwhile
                continue
            self._now[process.pid] = times.user + times.system
            if first:
                self._before[process.pid] = times.user + times.system
        self.peak_mib = max(self.peak_mib, resident / 2**20)
        self.cpu_s = sum(now - self._before.get(pid, 0.0) for pid, now in self._now.items())


@contextmanager
def watched(pid: int, *, since_start: bool = False) -> Iterator[Usage]:
    """The usage of a tree of processes during the block, complete at its end.

    since_start: count what the tree had used before as well.
    """
    usage, stop = Usage(), threading.Event()
    root = psutil.Process(pid)
    usage.look(root, first=not since_start)

    def keep_looking() -> None:
        while not stop.wait(EVERY_S):
            usage.look(root)

    thread = threading.Thread(target=keep_looking, name="usage", daemon=True)
    thread.start()
    try:
        yield usage
    finally:
        stop.set()
        thread.join()
        usage.look(root)


def _family(root: psutil.Process) -> list[psutil.Process]:
    try:
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []
