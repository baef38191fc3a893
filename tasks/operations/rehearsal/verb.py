"""`triptych doctor --break`: each fault on a scratch copy of the home, and what survived."""

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType

from rich.console import Console

from services.fraud.errors import FraudError
from tasks.operations.rehearsal import scratch
from tasks.operations.rehearsal.errors import Broken, NothingToBreak, RehearsalError
from tasks.operations.rehearsal.fault import FAULTS, Fault
from tasks.operations.rehearsal.outcome import End, Outcome, render_table
from tasks.operations.rehearsal.stage import Stage
from tasks.orchestration.prefect_access import password
from tasks.orchestration.running_server import noted_process
from tasks.settings import Settings

FIRST = "triptych up"


def rehearse(names: Sequence[str] = ()) -> int:
    """Rehearse faults; 1 where one did harm.

    names: of the faults; by default all.

    Raises: RehearsalError: there is no home, it cannot be copied, or the disk lacks room.
    """
    settings = Settings()
    if not settings.home.is_dir():
        raise RehearsalError(f"nothing to break yet: there is no {settings.home}; type: {FIRST}")
    console = Console(highlight=False, markup=False, emoji=False)
    before = scratch.survey(settings.home)
    with _interrupted_once(), _stage(settings, console) as stage:
        outcomes = [_one(name, FAULTS[name], stage, console) for name in names or FAULTS]
    console.print(render_table(outcomes))
    is_same = _tell_home(settings.home, before, console)
    return 0 if is_same and all(one.end is not End.BROKE for one in outcomes) else 1


@contextmanager
def _interrupted_once() -> Iterator[None]:
    """The first Ctrl-C ends it; another one, while processes end and the copy goes, does not."""
    both = (signal.SIGINT, signal.SIGTERM)

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        for each in both:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = [signal.signal(each, interrupt) for each in both]
    try:
        yield
    finally:
        for each, handler in zip(both, before, strict=True):
            signal.signal(each, handler)


@contextmanager
def _stage(settings: Settings, console: Console) -> Iterator[Stage]:
    """The copy, and a Prefect server for it; both are gone at the end."""
    from tasks.orchestration.prefect_api import own_server

    with scratch.scratch_folder() as folder:
        size, home = scratch.size_of(settings), folder / "home"
        scratch.check_room(size, folder)
        console.print(f"copying {settings.home} ({size / 1e6:,.0f} MB) to {home}", soft_wrap=True)
        if settings.database_url is not None:
            console.print("results lie in another database, which is left alone: here in SQLite")
        scratch.copy_home(settings, home)
        with scratch.environment_of(home):
            known = password(home)
            with own_server(home, known, lambda line: console.print(line)) as server:
                api = {"PREFECT_API_URL": server.url, "PREFECT_API_AUTH_STRING": known}
                yield Stage(home, folder, api)


def _one(name: str, fault: Fault, stage: Stage, console: Console) -> Outcome:
    console.print(f"{name}: {fault.done} …", soft_wrap=True)
    began = time.monotonic()
    folder = stage.folder / name
    folder.mkdir()
    try:
        end, told = End.SURVIVED, fault.rehearse(replace(stage, folder=folder))
    except NothingToBreak as nothing:
        end, told = End.NOTHING, str(nothing)
    except (Broken, FraudError) as broken:
        end, told = End.BROKE, str(broken)
    outcome = Outcome(name, fault.done, end, told, time.monotonic() - began)
    console.print(f"  {end} after {outcome.seconds:.0f} s", soft_wrap=True)
    return outcome


def _tell_home(home: Path, before: scratch.Survey, console: Console) -> bool:
    """Say whether the home is as it was; others may be at work in it."""
    changed = before.changed(scratch.survey(home))
    if not changed:
        console.print(f"{home} is as it was: {len(before.files):,} files", soft_wrap=True)
        return True
    some = ", ".join(changed[:3]) + (", …" if len(changed) > 3 else "")
    at_work = noted_process(home) is not None
    why = "the stack is at work there" if at_work else "somebody else writes there"
    console.print(f"{home} has changed meanwhile ({why}): {some}", soft_wrap=True)
    return at_work
