"""Starts a run in a child process and kills it at a chosen moment."""

import hashlib
import json
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from tests.fakes import FakeScorer
from tests.tasks.sentiment.small_run import Job


def boundaries_of(job: Job) -> list[int]:
    """The step boundaries, as `run_and_kill_at` counts them, at which a kill leaves something
    else than at the one before: the files differ, or something was committed in between."""
    telling: list[int] = []
    last = b""

    def compare(number: int, commits: bool) -> None:
        nonlocal last
        left = _left_by(job)
        if left != last:
            telling.append(number)
        last = b"" if commits else left

    answer = _run_in_fork(job, compare, lambda: telling)
    assert answer, "the run failed by itself"
    found: list[int] = json.loads(answer)
    return found


def run_and_kill_at(job: Job, boundary: int) -> None:
    """Kill the run at its n-th step boundary: before or after each change that others can see
    (a rename, a link, a folder's deletion, a commit)."""

    def kill(number: int, _commits: bool) -> None:
        if number == boundary:
            os.kill(os.getpid(), signal.SIGKILL)

    assert _run_in_fork(job, kill, lambda: None) is None, "the run ended by itself"


def _left_by(job: Job) -> bytes:
    """A digest of all files that a kill would leave now."""
    database = Path(sa.make_url(job.url).database or "")
    files = [*job.home.rglob("*"), database, database.with_name(f"{database.name}-wal")]
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(f"{file}\0".encode() + (file.read_bytes() if file.is_file() else b""))
    return digest.digest()


def _run_in_fork(
    job: Job, at_boundary: Callable[[int, bool], None], answer: Callable[[], object]
) -> str | None:
    """Do the run in a process of its own; its answer as JSON, or None if it was killed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            _watch_boundaries(at_boundary)
            job.run()
            os.write(writer, json.dumps(answer()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return None
    return text


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


def _watch_boundaries(act: Callable[[int, bool], None]) -> None:
    """Call `act` at each boundary in this process from now on: its number, and whether what follows
    is a commit."""
    passed = 0

    def boundary(commits: bool = False) -> None:
        nonlocal passed
        passed += 1
        act(passed, commits)

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
    sa.event.listen(sa.Engine, "commit", lambda _connection: boundary(commits=True))
