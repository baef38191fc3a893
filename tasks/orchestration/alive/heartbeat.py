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
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.context import SettingsContext, get_settings_context
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES

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
    _start_beats(run_id, over, first_after_s=BEAT_S)
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
    begin = _BeginBeating()
    flow.on_running(begin)
    try:
        yield
    finally:
        begin.over.set()
        flow.on_running_hooks.remove(begin)


class _BeginBeating:
    """What a flow calls when a run of it begins. Dask sends the flow, with this, to its workers,
    which call it for no run: there it is one that has never begun."""

    def __init__(self) -> None:
        self.__name__ = "heartbeat"  # for Prefect's log
        self.over = threading.Event()

    def __reduce__(self) -> tuple[type[Self], tuple[()]]:
        return type(self), ()

    def __call__(self, flow: Flow[Any, Any], flow_run: FlowRun, state: State[Any]) -> None:
        _start_beats(flow_run.id, self.over, first_after_s=0.0)


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


def _start_beats(run_id: UUID, over: threading.Event, first_after_s: float) -> None:
    # A thread does not inherit settings, and may not read them from an environment that others
    # change meanwhile; nor may it get the client that the run itself uses.
    context = get_settings_context()
    once = context.settings.copy_with_update({PREFECT_CLIENT_MAX_RETRIES: 0})

    def beat() -> None:
        with SettingsContext(profile=context.profile, settings=once):
            while not over.is_set():
                try:
                    with get_client(sync_client=True) as api:  # once: that costs more than a beat
                        _beat(api, run_id, over, first_after_s)
                except Exception as error:  # it cannot be opened now
                    log.debug("no heartbeat: %s", error)
                    over.wait(BEAT_S)

    threading.Thread(target=beat, name="heartbeat", daemon=True).start()


def _beat(api: SyncPrefectClient, run_id: UUID, over: threading.Event, wait_s: float) -> None:
    from tasks.orchestration.progress import units_done

    number, process = 0, Process.here()
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
