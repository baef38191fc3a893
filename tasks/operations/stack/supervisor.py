"""Holds the stack: starts its parts in their order, starts again what dies, and ends them all.

One thread looks at everything a few times a second. What a part is waiting for, and what becomes
of one that has died, is decided here; how processes are ended, in `processes`.
"""

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tasks.operations.stack import log_file, processes
from tasks.operations.stack.errors import StackError
from tasks.operations.stack.part import Part

LOOK_EVERY_S = 0.2
ASK_EVERY_S = 1.0  # whether it is ready
TELL_EVERY_S = 10.0  # what is waited for
PATIENCE_S = 300.0  # with one that runs and is not ready
STEADY_S = 60.0  # a part that has run for so long has not died again and again
MOST_DEATHS = 5
FIRST_PAUSE_S = 1.0
Tell = Callable[[str], None]


@dataclass
class _Running:
    """What has become of a part."""

    part: Part
    log: Path
    process: subprocess.Popen[bytes] | None = None
    was_ready: bool = False  # ever; a step: it is done
    left_out: bool = False
    log_fault: str = ""  # why its log cannot be written or cut; it is said once
    began_at: float = 0.0
    asked_at: float = 0.0
    start_at: float = 0.0  # not before
    deaths: int = 0  # in a row


class Supervisor:
    """The parts of a stack, as processes."""

    def __init__(
        self,
        parts: Sequence[Part],
        environment: Mapping[str, str],
        folder: Path,
        logs: Path,
        tell: Tell,
        on_start: Callable[[int], None] = lambda pid: None,
    ) -> None:
        """folder: where commands run; logs: for a file of each part; on_start: gets its number."""
        self._states = {part.name: _Running(part, logs / f"{part.name}.log") for part in parts}
        self._environment, self._folder = environment, folder
        self._tell, self._on_start = tell, on_start
        self._began_at = self._told_at = time.monotonic()

    @property
    def all_ready(self) -> bool:
        """Whether each part has been ready, or is left out."""
        return all(state.was_ready or state.left_out for state in self._states.values())

    @property
    def left_out(self) -> list[str]:
        """The parts that died again and again, and the stack goes on without."""
        return [name for name, state in self._states.items() if state.left_out]

    @property
    def age_s(self) -> float:
        """Seconds since it was made."""
        return time.monotonic() - self._began_at

    def run(self, is_stopping: Callable[[], bool], on_ready: Callable[[], None]) -> None:
        """Hold the stack until it shall stop; on_ready is called once, when all can be used.

        Raises:
            StackError: a part does not stay alive, or a step failed. The others still run: `end`.
        """
        told = False
        while not is_stopping():
            for state in self._states.values():
                self._look_at(state)
            if self.all_ready and not told:
                told = True
                on_ready()
            if not told:
                self._tell_what_is_waited_for()
            time.sleep(LOOK_EVERY_S)

    def end(self, is_urgent: Callable[[], bool] = lambda: False) -> None:
        """End every part, those that others lean on last; nothing of them runs after it.

        is_urgent: whether nobody wants to wait for them any more.
        """
        while alive := [state for state in self._states.values() if state.process is not None]:
            needed = {name for state in alive for name in state.part.after}
            leaves = [state for state in alive if state.part.name not in needed]
            self._end_processes(leaves, processes.GRACE_S, is_urgent)

    def _end_processes(
        self,
        states: Sequence[_Running],
        grace_s: float,
        is_urgent: Callable[[], bool] = lambda: False,
    ) -> None:
        numbers = [state.process.pid for state in states if state.process is not None]
        processes.end(numbers, grace_s, is_urgent)
        for state in states:
            if state.process is not None:
                state.process.wait()
                state.process = None

    def _look_at(self, state: _Running) -> None:
        now = time.monotonic()
        if state.process is None:
            done = state.left_out or (state.part.once and state.was_ready)
            first = all(self._states[name].was_ready for name in state.part.after)
            if not done and first and now >= state.start_at:
                self._start(state)
            return
        self._limit_log(state)
        status = state.process.poll()
        if status is not None:
            self._settle(state, status)
        elif not state.part.once and not state.was_ready and now - state.asked_at >= ASK_EVERY_S:
            state.asked_at = now
            if state.part.is_ready():
                state.was_ready = True
                self._say(f"{state.part.name} is ready")
            elif now - state.began_at >= PATIENCE_S:
                state.was_ready = True  # the others are of use without it
                self._say(
                    f"{state.part.name} has given no answer for {PATIENCE_S:.0f} s; its log is"
                    f" {_shown(state.log)}"
                )

    def _start(self, state: _Running) -> None:
        own = state.part.environment
        environment = {k: v for k, v in {**self._environment, **own}.items() if v is not None}
        if state.part.once:
            self._say(f"{state.part.name}: {state.part.purpose}")
        with self._log_of(state) as output:
            state.process = subprocess.Popen(
                ["/bin/sh", "-c", state.part.command],
                cwd=self._folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the supervisor, which ends the others
            )
        self._on_start(state.process.pid)
        state.began_at = time.monotonic()

    def _limit_log(self, state: _Running) -> None:
        """Cut its log if need be; a full disk ends nothing."""
        try:
            log_file.limit(state.log)
        except OSError as error:
            self._say_of_log(state, f"cannot be cut, and grows: {error.strerror or error}")
        else:
            state.log_fault = ""

    def _log_of(self, state: _Running) -> BinaryIO:
        """Where its process writes: nowhere, if its log cannot be opened."""
        try:
            return state.log.open("ab")
        except OSError as error:
            self._say_of_log(state, f"cannot be written: {error.strerror or error}")
            return Path(os.devnull).open("ab")

    def _say_of_log(self, state: _Running, fault: str) -> None:
        if fault != state.log_fault:
            state.log_fault = fault
            self._say(f"{_shown(state.log)} {fault}")

    def _settle(self, state: _Running, status: int) -> None:
        """Decide what becomes of a part whose process has ended."""
        part = state.part
        if part.once and status == 0:
            state.was_ready, state.process = True, None
            self._say(f"{part.name} is done")
            return
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        line = f"{part.name} {how}; its log is {_shown(state.log)}"
        if part.once:
            raise StackError(f"{line}, and ends with: {log_file.last_line(state.log)}")
        lived_s = time.monotonic() - state.began_at
        state.deaths = 1 if lived_s >= STEADY_S else state.deaths + 1
        self._end_processes([state], processes.LAST_S)  # what it has left, which may hold its port
        if state.deaths < MOST_DEATHS:
            pause_s = FIRST_PAUSE_S * 2 ** (state.deaths - 1)
            state.start_at = time.monotonic() + pause_s
            self._say(f"{line}; it is started again in {pause_s:.0f} s")
        elif part.vital:
            raise StackError(f"{line}; it has died {state.deaths} times in a row")
        else:
            state.left_out = True
            self._say(f"{line}; it has died {state.deaths} times in a row, and is left out")

    def _tell_what_is_waited_for(self) -> None:
        if time.monotonic() - self._told_at < TELL_EVERY_S:
            return
        waiting = [
            _with_last_line(state)
            for state in self._states.values()
            if not state.was_ready and state.process is not None
        ]
        if waiting:
            self._say(f"waiting for {', '.join(waiting)}")

    def _say(self, line: str) -> None:
        self._told_at = time.monotonic()
        self._tell(f"[{self.age_s:3.0f} s] {line}")


def _with_last_line(state: _Running) -> str:
    """The part's name; a step's with what it says last."""
    said = log_file.last_line(state.log) if state.part.once else ""
    return f"{state.part.name} ({said})" if said else state.part.name


def _shown(path: Path) -> str:
    """A path as people type it from where they are."""
    here = Path.cwd()
    return os.path.relpath(path) if path.is_relative_to(here) else str(path)
