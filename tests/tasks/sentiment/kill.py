"""Starts a run in a child process and kills it at a chosen moment."""

import os
import random
import signal
import time
from collections.abc import Callable

import sqlalchemy as sa

from tests.fakes import FakeScorer
from tests.tasks.sentiment.small_run import Job

NEVER = 10**9


def run_and_kill_at(job: Job, boundary: int) -> int | None:
    """Kill the run at its n-th step boundary: before or after each change that others can see
    (a rename, a link, a folder's deletion, a commit).

    Returns: how many boundaries it passed if it ended by itself, otherwise None.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            passed = _count_boundaries(boundary)
            job.run()
            os.write(writer, str(passed()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return None
    assert answer, "the run failed by itself"
    return int(answer)


def run_and_kill_after(job: Job, seconds: float) -> bool:
    """Kill the run after a time; whether it was still at work."""
    child = os.fork()
    if child == 0:
        try:
            job.run(FakeScorer(seconds_per_text=0.001))
        finally:
            os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def random_moments(count: int, until_s: float, seed: int) -> list[float]:
    draw = random.Random(seed)
    return [draw.uniform(0, until_s) for _ in range(count)]


def _count_boundaries(kill_at: int) -> Callable[[], int]:
    """Count boundaries in this process from now on, and kill it at one of them."""
    passed = 0

    def boundary(*_: object) -> None:
        nonlocal passed
        passed += 1
        if passed == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(function: Callable[..., object]) -> Callable[..., object]:
        def wrapper(*arguments: object, **options: object) -> object:
            boundary()
            result = function(*arguments, **options)
            boundary()
            return result

        return wrapper

    from tasks.sentiment.run import publication

    for name in ("replace", "rename", "link", "unlink", "rmdir", "mkdir"):
        setattr(os, name, around(getattr(os, name)))
    for name in ("exchange", "write_json"):
        setattr(publication, name, around(getattr(publication, name)))
    sa.event.listen(sa.Engine, "commit", boundary)
    return lambda: passed
