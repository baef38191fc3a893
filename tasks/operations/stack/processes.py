"""Processes with all that they have started: found, and ended.

Each part of the stack leads a session. What it has started is of that session, also when its
parent has ended before it; what has opened a session of its own is found as its child's child.
"""

import os
import time
from collections.abc import Callable, Iterable, Sequence

import psutil

GRACE_S = 10.0  # to end when asked to
LAST_S = 2.0  # for what is left of a part that has ended
KILLED_S = 30.0  # for the kernel to end what is killed: a busy machine takes its time
LOOK_EVERY_S = 0.1


def end(
    leaders: Sequence[int],
    grace_s: float = GRACE_S,
    is_urgent: Callable[[], bool] = lambda: False,
) -> None:
    """End them and all that they have started: asked first, and then killed.

    The leaders are asked, so that they end what is theirs in their own order. What they leave is
    asked after them.

    leaders: their numbers; what one has left behind that has ended just now is ended too.
    is_urgent: whether nobody wants to wait any more.
    """
    tree = _trees(leaders)
    asked = [process for process in tree if process.pid in leaders]
    _send(asked, kill=False)
    deadline = time.monotonic() + grace_s
    while any(map(_is_alive, asked)) and time.monotonic() < deadline and not is_urgent():
        time.sleep(LOOK_EVERY_S)
        tree |= _trees(leaders)
    tree |= _trees(leaders)
    if not is_urgent():
        _send(filter(_is_alive, tree), kill=False)
        _await_end(tree, LAST_S)
    _send(filter(_is_alive, tree), kill=True)
    _await_end(tree, KILLED_S)


def _trees(leaders: Sequence[int]) -> set[psutil.Process]:
    """All processes of these sessions, and the children of their children."""
    found: set[psutil.Process] = set()
    for process in psutil.process_iter():
        try:
            if process.pid in leaders or os.getsid(process.pid) in leaders:
                found |= {process, *process.children(recursive=True)}
        except (OSError, psutil.Error):
            continue
    return found


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _await_end(processes: Iterable[psutil.Process], seconds: float) -> None:
    """Wait for them all, but no longer than that."""
    deadline = time.monotonic() + seconds
    while alive := [process for process in processes if _is_alive(process)]:
        if time.monotonic() >= deadline:
            return
        processes = alive
        time.sleep(LOOK_EVERY_S)


def _send(processes: Iterable[psutil.Process], kill: bool) -> None:
    for process in processes:
        try:
            if kill:
                process.kill()
            else:
                process.terminate()
        except psutil.Error:
            continue
