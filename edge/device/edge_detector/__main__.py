"""The command: `edge-detector run | update | status | rollback`.

Exit status: 0 as asked, also when ended by `q`, SIGINT or SIGTERM; 1 it did not work, and may
work later; 2 an argument is wrong; 70 the watchdog ended it. What is wrong is said on one line of
standard error.
"""

import argparse
import contextlib
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from edge_detector.cli.config import Config, read_config, suggest
from edge_detector.cli.options import GROUPS, INTERPRETER, ROLLBACK, RUN, STATUS, UPDATE, Option
from edge_detector.cli.progress import Messages, Progress
from edge_detector.errors import ConfigError, EdgeError
from edge_detector.system.disk import disk_error

PROGRAM = "edge-detector"
INTERRUPTED = 130
SELF_TEST = "self-test"  # for `run_self_test`, which runs it in a process of its own
COMMANDS: Mapping[str, Sequence[Option]] = {
    "run": RUN,
    "update": UPDATE,
    "status": STATUS,
    "rollback": ROLLBACK,
}
CHOICE = "give run, update, status or rollback; see --help"

# OpenCV and FFmpeg write to the terminal by themselves, addresses with passwords among it.
QUIET = {
    "OPENCV_LOG_LEVEL": "SILENT",
    "OPENCV_FFMPEG_LOGLEVEL": "-8",
    "QT_LOGGING_RULES": "*.warning=false",
}

EPILOG = """examples:
  %(prog)s run --releases https://releases.example.org --source 0
  %(prog)s run --source video.mp4 --output annotated.mp4 --events events.jsonl --headless
  %(prog)s run --config device.toml --source rtsp://camera/stream --preview 8081
  %(prog)s update --releases https://releases.example.org
  %(prog)s status
  %(prog)s rollback
"""


class _Parser(argparse.ArgumentParser):
    """Wrong arguments are ConfigErrors."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; see `{self.prog} --help`")


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, do, say; returns the exit status."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    progress = Progress(sys.stderr)
    messages = Messages(sys.stderr, progress)
    ours = logging.getLogger("edge_detector")
    ours.addHandler(messages)
    ours.setLevel(logging.INFO)
    ours.propagate = False
    try:
        return _do(arguments, progress)
    except ConfigError as error:
        return _fail(progress, error, 1 if _passes(error) else 2)
    except EdgeError as error:
        return _fail(progress, error, 1)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    finally:
        progress.clear()
        ours.removeHandler(messages)
        ours.propagate = True


def _do(arguments: Sequence[str] | None, progress: Progress) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and not given[0].startswith("-") and given[0] not in (*COMMANDS, SELF_TEST):
        raise ConfigError(f"{given[0]} is no command{suggest(given[0], COMMANDS)}; {CHOICE}")
    namespace, unknown = _parser().parse_known_args(given)
    parsed = vars(namespace)
    command: Callable[..., str] | None = parsed.pop("do", None)
    if command is None:
        raise ConfigError(CHOICE)
    if unknown:
        known = [f"--{option.name}" for option in COMMANDS.get(given[0], ())]
        kind = "option" if unknown[0].startswith("-") else "argument"
        meant = suggest(unknown[0].partition("=")[0], known)
        raise ConfigError(
            f"{unknown[0]} is no {kind} of `{given[0]}`{meant or f'; see {given[0]} --help'}"
        )
    beside = {name: parsed.pop(name) for name in ("folder",) if name in parsed}
    text = command(read_config(parsed), progress, **beside)
    if text:
        print(text, flush=True)
    return 0


def _run(config: Config, progress: Progress) -> str:
    from edge_detector.cli.run import run

    return run(config, progress)


def _update(config: Config, progress: Progress) -> str:
    from edge_detector.cli.config import read_device_id
    from edge_detector.cli.models import open_updates
    from edge_detector.cli.status import update
    from edge_detector.slots.slots import Slots

    if config.releases is None:
        raise ConfigError("--releases is missing: give the folder or address that releases lie at")
    slots = Slots(config.home)
    updates = open_updates(config, config.releases, read_device_id(config), slots)
    if config.again:
        slots.forgive()
    return update(updates)


def _status(config: Config, progress: Progress) -> str:
    from edge_detector.cli.status import status

    return status(config.home, as_json=config.json)


def _rollback(config: Config, progress: Progress) -> str:
    from edge_detector.cli.status import rollback

    return rollback(config.home)


def _self_test(config: Config, progress: Progress, folder: Path) -> str:
    from edge_detector.inference.self_test import main as self_test

    self_test(folder, config.threads, config.runtime)
    return ""


def _parser() -> _Parser:
    parser = _Parser(
        prog=PROGRAM,
        description="Keeps a signed object detector running on a camera.",
        epilog=EPILOG % {"prog": PROGRAM},
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name, do, text in (
        ("run", _run, "detect on a camera, a video or pictures; take new models as they come"),
        ("update", _update, "fetch, check, try and activate the newest release"),
        ("status", _status, "say which models are here, and how the updates do"),
        ("rollback", _rollback, "go back to the release before"),
    ):
        command = commands.add_parser(
            name, help=text, description=f"{text[0].upper()}{text[1:]}.", allow_abbrev=False
        )
        command.set_defaults(do=do)
        _add_options(command, COMMANDS[name])
    self_test = commands.add_parser(SELF_TEST, allow_abbrev=False)
    self_test.set_defaults(do=_self_test)
    self_test.add_argument("folder", type=Path)
    _add_options(self_test, INTERPRETER)
    return parser


def _add_options(command: argparse.ArgumentParser, options: Iterable[Option]) -> None:
    """Options are only collected here; `config` reads their values and knows their defaults."""
    groups = {group: command.add_argument_group(title) for group, title in GROUPS.items()}
    for option in options:
        text = option.help.replace("%", "%%")
        if option.metavar is None:
            groups[option.group].add_argument(
                f"--{option.name}", action="store_true", default=argparse.SUPPRESS, help=text
            )
        else:
            default = option.default_text or option.default
            default = f"{default:g}" if isinstance(default, float) else default
            groups[option.group].add_argument(
                f"--{option.name}",
                action="append" if option.repeats else "store",
                default=argparse.SUPPRESS,
                metavar=option.metavar,
                help=f"{text} (default: {default})",
            )


def _passes(error: ConfigError) -> bool:
    """Whether it is the machine that is at fault, for now: a full or a read-only disk."""
    cause = error.__cause__
    return isinstance(cause, OSError) and not isinstance(disk_error("", cause), ConfigError)


def _fail(progress: Progress, error: EdgeError, status: int) -> int:
    progress.clear()
    print("error:", " ".join(str(error).split()), file=sys.stderr)
    return status


def enter() -> NoReturn:
    """The whole process: `main`, and then its end."""
    status = main()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    if threading.active_count() > 1:
        # A camera hangs in its driver. Were it to return while Python takes itself apart, C++
        # would abort the process, and with it the status.
        os._exit(status)
    sys.exit(status)


if __name__ == "__main__":
    enter()
