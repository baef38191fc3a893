"""A run's sign of life, in its labels at the Prefect API, from a thread of its own process.

Prefect's own heartbeats are events of half a minute, and what watches for their absence is known
to fire when it should not, and not to when it should. These are read by `triptych watch`.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn, Self
from uuid import UUID

import httpx
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    temporary_settings,
)

from services.storage.process import Process

BEAT_S = 10.0
LOOK_S = 1.0
PATIENCE_S = 60.0  # a worker that started a run has just reached the server
LAST_WORDS_S = 15.0  # for a run that has to end, before it is killed

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Beat:
    """What a run's process has said last.

    Attributes:
        number: another one with each beat.
        worked: seconds of processor time that it has used.
        steps: units of work it has reported as done.
    """

    process: Process
    number: int
    worked: float = 0.0
    steps: int = 0

    def labels(self) -> dict[str, Any]:
        """As labels of the run."""
        return {
            "triptych.process": str(self.process),
            "triptych.beat": self.number,
            "triptych.worked": round(self.worked, 1),
            "triptych.steps": self.steps,
        }

    @classmethod
    def of(cls, labels: dict[str, Any]) -> Self | None:
        """From a run's labels; None: it has none of ours."""
        process = Process.read(str(labels.get("triptych.process", "")))
        if process is None:
            return None
        numbers = (labels.get(f"triptych.{name}", 0) for name in ("beat", "worked", "steps"))
        try:
            number, worked, steps = map(float, numbers)
        except (TypeError, ValueError):
            return None
        return cls(process, int(number), worked, int(steps))


def first_beat(
    run_id: UUID,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Say who is at work on the run, before it begins; a server that is just starting is awaited.

    Raises: httpx.HTTPError, RuntimeError: the API did not take it for a minute.
    """
    deadline = clock() + PATIENCE_S
    while True:
        try:
            with get_client(sync_client=True) as api:
                api.update_flow_run_labels(run_id, Beat(Process.here(), 0).labels())
                return
        except (httpx.HTTPError, RuntimeError):  # Prefect's client raises both
            if clock() >= deadline:
                raise
            sleep(LOOK_S)


@contextmanager
def beating(run_id: UUID) -> Iterator[None]:
    """Say every ten seconds that this process works on the run.

    Where somebody has declared the run crashed or cancelled meanwhile, the process ends: another
    run may have its place.
    """
    over = threading.Event()
    beats = threading.Thread(target=_beat, args=(run_id, over), name="heartbeat", daemon=True)
    beats.start()
    try:
        yield
    finally:
        over.set()


@contextmanager
def beating_while(flow: Callable[..., Any]) -> Iterator[None]:
    """Let the runs of a flow that begin within the block say that this process works on them.

    For a command, whose run has its id only once it has begun. A plain function has no runs.
    """
    if not isinstance(flow, Flow):
        yield
        return
    over = threading.Event()

    def begin(flow: Flow[Any, Any], flow_run: FlowRun, state: State[Any]) -> None:
        # A thread does not inherit them; nor may it get the client that the run itself uses.
        known = {
            PREFECT_API_URL: PREFECT_API_URL.value(),
            PREFECT_API_AUTH_STRING: PREFECT_API_AUTH_STRING.value(),
        }

        def beat() -> None:
            with temporary_settings(known):
                _beat(flow_run.id, over, first_after_s=0.0)

        threading.Thread(target=beat, name="heartbeat", daemon=True).start()

    flow.on_running(begin)
    try:
        yield
    finally:
        over.set()
        flow.on_running_hooks.remove(begin)


def end_with_parent() -> None:
    """From now on, this process ends when the one that started it does.

    A run whose worker was killed would live on unseen, and its output would go nowhere.
    """
    parent = os.getppid()

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_S)
        end_this_process("its worker was killed")

    threading.Thread(target=look, name="parent", daemon=True).start()


def end_this_process(why: str) -> NoReturn:
    """As by Ctrl-C, and then by force: called from a thread that is not the main one."""
    log.error("the run ends: %s", why)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(LAST_WORDS_S)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("not killed")


def _beat(run_id: UUID, over: threading.Event, first_after_s: float = BEAT_S) -> None:
    from tasks.orchestration.progress import units_done

    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}), get_client(sync_client=True) as api:
        number, process, wait_s = 0, Process.here(), first_after_s
        while not over.wait(wait_s):
            number, wait_s = number + 1, BEAT_S
            beat = Beat(process, number, time.process_time(), units_done())
            try:
                api.update_flow_run_labels(run_id, beat.labels())
                state = api.read_flow_run(run_id).state
            except Exception as error:  # the API is away: the work goes on
                log.debug("no heartbeat: %s", error)
                continue
            if _is_given_up(state) and not over.wait(BEAT_S):
                end_this_process(f"somebody has declared it {state.name if state else 'over'}")


def _is_given_up(state: State[Any] | None) -> bool:
    return state is not None and (state.is_crashed() or state.is_cancelled())
