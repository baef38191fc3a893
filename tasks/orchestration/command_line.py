"""A flow or a verb as a command: arguments from its parameter model, one line for an error.

The exit status is 0: done, or stopped at the end of its window; 1: an error, named on standard
error, or a person is needed; 2: wrong arguments; 130: interrupted.
"""

import argparse
import inspect
import logging
import re
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Generic, NoReturn, TypeVar, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    CliPositionalArg,
    CliSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings.exceptions import SettingsError
from rich.console import Console
from rich.text import Text

from services.reporting.arguments import complaint, suggest
from tasks.orchestration.parameters import FlowParameters, options_in

Parameters = TypeVar("Parameters", bound=FlowParameters)

_POSITIONAL = get_args(CliPositionalArg[str])[1]
# How the help names a value, by the start of its Python type.
_METAVARS = {
    "tuple[": "NAME,…",
    "str": "TEXT",
    "int": "N",
    "float": "X",
    "date": "YYYY-MM-DD",
    "time": "HH:MM",
    "Path": "PATH",
}


def parse(parameters: type[Parameters], program: str, arguments: Sequence[str]) -> Parameters:
    """Build the parameters from the command line.

    Wrong arguments end the process with status 2 and one line for each of them.
    """
    if moved := parameters.where_moved(options_in(arguments), program):
        _refuse(moved, program)

    class Arguments(BaseSettings, parameters):  # type: ignore[misc, valid-type]
        """The parameters, read from the command line and from nowhere else."""

        __doc__ = inspect.cleandoc(parameters.__doc__ or "")
        model_config = SettingsConfigDict(
            cli_prog_name=program,
            cli_kebab_case=True,
            cli_implicit_flags=True,
            cli_avoid_json=True,
            cli_hide_none_type=True,
            cli_enforce_required=True,
            cli_exit_on_error=False,
        )

        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *_: Any, **__: PydanticBaseSettingsSource
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            source: CliSettingsSource[Any] = CliSettingsSource(settings_cls)
            _tidy(source.root_parser)
            if wrong := complaint(source.root_parser, arguments):
                raise SettingsError(wrong)
            return (source(args=list(arguments)),)

    try:
        given = Arguments()
        return parameters(**{name: getattr(given, name) for name in given.model_fields_set})
    except SettingsError as error:
        _refuse(str(error).removeprefix("error parsing CLI: "), program)
    except ValidationError as error:
        for fault in error.errors():
            fail(_describe(fault, parameters), program=program)
        sys.exit(2)


def _describe(fault: ErrorDetails, parameters: type[FlowParameters]) -> str:
    """What is wrong with an argument, by the name that people type, and the word it is close to."""
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "literal_error":
        message += suggest(str(fault["input"]), re.findall(r"'([^']+)'", fault["ctx"]["expected"]))
    if not fault["loc"]:  # it is about several parameters
        return message
    name = str(fault["loc"][0])
    field = parameters.model_fields.get(name)
    dashes = "" if field is not None and _POSITIONAL in field.metadata else "--"
    return f"{dashes}{'.'.join(map(str, fault['loc'])).replace('_', '-')}: {message}"


def _tidy(parser: argparse.ArgumentParser) -> None:
    """Let the help show options and values as people write them."""
    for action in parser._actions:
        for nothing in (" (default: None)", " (default: ())"):
            action.help = str(action.help).removesuffix(nothing)
        for kind, metavar in _METAVARS.items():
            if str(action.metavar).startswith(kind):
                action.metavar = metavar
        for name in [name for name in action.option_strings if name.endswith("-")]:
            # The field's own name, such as for_, where Python keeps the option's.
            action.option_strings = [other for other in action.option_strings if other != name]
            del parser._option_string_actions[name]


def _refuse(message: str, program: str) -> NoReturn:
    fail(message, program=program)
    sys.exit(2)


def fail(message: str, program: str | None = None) -> None:
    """Say what was wrong on standard error, in one line."""
    prefix = f"{program}: " if program else ""
    Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(
        f"{prefix}error: {message}"
    )


@dataclass(frozen=True)
class Command(Generic[Parameters]):
    """A verb of the operator, which needs no Prefect run.

    parameters: what it is asked for; do: what it does, which returns the exit status, None for 0;
    errors: those that it raises on purpose; each is answered by its message alone;
    any_settings: it goes on where settings are wrong, since it is what tells of them.
    """

    parameters: type[Parameters]
    do: Callable[[Parameters], int | None]
    errors: tuple[type[Exception], ...] = ()
    any_settings: bool = False

    def run(self, program: str, arguments: Sequence[str] | None = None) -> NoReturn:
        """Parse the command line, do it, and end the process.

        program: how it was called, for its usage and errors; arguments: by default the process's.
        """
        given = parse(self.parameters, program, sys.argv[1:] if arguments is None else arguments)
        home = _open_home(any_settings=self.any_settings)
        sys.exit(_status_of(lambda: self.do(given), home, self.errors))


@dataclass(frozen=True)
class FlowCommand(Generic[Parameters]):
    """A flow, run against a Prefect API.

    errors: those that the flow raises on purpose; each is answered by its message alone.
    check: raises one of them where the flow could only fail; no server is started then.
    at_once: does what needs no run, and returns the exit status; None: the flow has to run.
    status: the exit status of what the flow returns.
    """

    parameters: type[Parameters]
    flow: Callable[[Parameters], Any]
    errors: tuple[type[Exception], ...]
    check: Callable[[Parameters], object] = lambda given: None
    at_once: Callable[[Parameters], int | None] = lambda given: None
    status: Callable[[Any], int] = lambda outcome: 0

    def run(self, program: str, arguments: Sequence[str] | None = None) -> NoReturn:
        """Parse the command line, run the flow, and end the process; as `Command.run`."""
        given = parse(self.parameters, program, sys.argv[1:] if arguments is None else arguments)
        home = _open_home()
        from services.reporting.traces import TracesError, begin_traces
        from tasks.orchestration.alive.heartbeat import beating_while
        from tasks.orchestration.prefect_api import ApiError, prefect_api
        from tasks.settings import Settings

        def run() -> int:
            begin_traces("triptych-flows", Settings().traces_url)
            self.check(given)
            if (status := self.at_once(given)) is not None:
                return status
            with prefect_api(home, _announce), beating_while(self.flow):
                quieten_prefect()
                return self.status(self.flow(given))

        sys.exit(_status_of(run, home, (ApiError, TracesError, *self.errors)))


def _open_home(*, any_settings: bool = False) -> Path:
    """The home folder of the settings; SIGTERM is as Ctrl-C from here on.

    Settings that are wrong end the process with status 2, unless any are as good.
    """
    from tasks.settings import Settings

    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return Settings().home
    except ValidationError as error:
        if any_settings:
            return Path.cwd()
        for fault in error.errors():
            message = fault["msg"].removeprefix("Value error, ")
            fail(f"TRIPTYCH_{str(fault['loc'][0]).upper()}: {message}")
        sys.exit(2)


def _status_of(
    run: Callable[[], int | None], home: Path, errors: tuple[type[Exception], ...]
) -> int:
    """The exit status of a command; what ended it is told."""
    from tasks.orchestration import faults

    try:
        return run() or 0
    except errors as error:
        fail(faults.advise(str(error), home))
        return 1
    except KeyboardInterrupt:
        fail("interrupted; run the same command again to go on")
        return 130
    except Exception as error:
        line = faults.describe(error, home)
        if line is None:
            raise  # a bug
        fail(line)
        return 1


def _announce(message: str) -> None:
    Console(stderr=True, highlight=False).print(Text(message, style="dim"))


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def quieten_prefect() -> None:
    """Keep Prefect's own log lines off the terminal; they stay in its API and UI.

    Nor does it say there what it could not send: a run that needs the API fails with a line.
    """
    logging.raiseExceptions = False
    for name in ("", "prefect", "prefect.flow_runs", "prefect.task_runs"):
        for handler in logging.getLogger(name).handlers:
            if type(handler).__name__ == "PrefectConsoleHandler":
                handler.setLevel(logging.CRITICAL)
