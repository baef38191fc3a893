"""The stack on one machine: checked, started, held until Ctrl-C, and ended."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from services.storage.locks import Held, held
from tasks.operations.stack import parts
from tasks.operations.stack.errors import StackError
from tasks.operations.stack.part import Part
from tasks.operations.stack.ports import choose_ports
from tasks.operations.stack.supervisor import Supervisor
from tasks.orchestration.prefect_access import AccessError, client_environment, describe_login
from tasks.settings import Settings

ROOT = Path(__file__).parents[3]
ERRORS = (StackError, AccessError)
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(without: Collection[str]) -> None:
    """Start everything, tell where it is, and hold it until Ctrl-C; nothing is left running.

    without: processes of deployments/Procfile that are not started.

    Raises:
        StackError: a port is taken, or a part does not stay alive.
        AccessError: Prefect's password cannot be used.
    """
    settings = Settings()
    home = settings.home
    home.mkdir(parents=True, exist_ok=True)
    try:
        with held(home / "up.lock", patience_s=0):
            _hold(settings, without)
    except Held as error:
        raise StackError(
            f"the stack of {home} runs already, as process {error.holder}: end that, or set"
            " TRIPTYCH_HOME to another folder"
        ) from error


def _hold(settings: Settings, without: Collection[str]) -> None:
    home, logs = settings.home, settings.home / "logs"
    logs.mkdir(exist_ok=True)
    ports = choose_ports(os.environ)
    listed = parts.build(
        ROOT / "deployments" / "Procfile",
        home,
        ports,
        train=_lacks_model(settings),
        publish=_lacks_release(settings),
        without=without,
    )
    with _guard() as note, _stop_signals() as signals:
        stack = Supervisor(listed, _environment(home, ports), ROOT, logs, print_line, note)
        print_line(f"starting the stack of {home}; logs: {logs}")
        try:
            stack.run(lambda: bool(signals), lambda: _show(stack, listed, home))
        finally:
            if signals:
                print_line("ending it; once more Ctrl-C ends it at once")
            stack.end(lambda: len(signals) > 1)
    print_line("ended; nothing is left running")


def print_line(line: str) -> None:
    """On standard output, at once, also where that is a file: a full disk ends nothing."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        raise
    except OSError:
        return  # there is nowhere to say it


def _environment(home: Path, ports: Mapping[str, int]) -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "TRIPTYCH_HOME": str(home),
        **{name: str(port) for name, port in ports.items()},
        **client_environment(home, f"http://127.0.0.1:{ports['TRIPTYCH_PORT']}/api"),
        **_telemetry_key(os.environ.get("TRIPTYCH_FLEET_KEYS", "")),
        "PYTHONUNBUFFERED": "1",
        "BENTOML_DO_NOT_TRACK": "True",
    }


def _telemetry_key(fleet_keys: str) -> dict[str, str]:
    """The device's, where the server for devices asks for one."""
    key = fleet_keys.split(",")[0].strip()
    if not key:
        return {}
    from edge.fleet.http.web import device_key

    return {"EDGE_DETECTOR_TELEMETRY_KEY": device_key(key, parts.DEVICE)}


def _lacks_model(settings: Settings) -> bool:
    from services.fraud.errors import ModelError, ModelsBusy
    from services.fraud.scoring.models import Models

    try:
        models = Models(settings.home, settings.fraud_state_url)
        return models.registry().read().champion is None
    except ModelsBusy:  # the service tells it, and takes up a model when that is over
        return False
    except ModelError as error:
        raise StackError(str(error)) from error


def _lacks_release(settings: Settings) -> bool:
    """Whether the repository is a folder that holds nothing yet."""
    url = settings.releases_url.removeprefix("file://")
    return "://" not in url and not (Path(url) / "metadata" / "timestamp.json").exists()


def _show(stack: Supervisor, listed: Sequence[Part], home: Path) -> None:
    """The table of addresses."""
    shown = [part for part in listed if part.address and part.name not in stack.left_out]
    width = max(len(part.address) for part in shown)
    rows = [f"  {part.address.ljust(width)}  {part.purpose}" for part in shown]
    login = describe_login(home, at_terminal=sys.stdout.isatty())
    print_line(f"\nTriptych is up, after {stack.age_s:.0f} s. Ctrl-C ends it.\n")
    for row in rows:
        print_line(row)
    print_line(f"\nAt Prefect {login}\n")


@contextmanager
def _stop_signals() -> Iterator[list[int]]:
    """The signals to stop that have come, in a block in which they do nothing else."""
    came: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        came.append(number)

    before = {number: signal.signal(number, note) for number in _SIGNALS}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _guard() -> Iterator[Callable[[int], None]]:
    """Gives what takes the number of each started process, to be ended should we be killed."""
    guard = subprocess.Popen(
        [sys.executable, "-m", "tasks.operations.stack.guard"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    numbers = guard.stdin
    assert numbers is not None

    def note(pid: int) -> None:
        numbers.write(f"{pid}\n".encode())
        numbers.flush()

    try:
        yield note
    finally:
        numbers.close()
        guard.wait()
