"""All options: what each is called, what it takes, and what it means.

One table serves the command line, the configuration file and `--help`. A value from either place
goes through the same reader, so that a wrong one is refused in the same words.
"""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_detector.contract.channel import CHANNELS, STABLE
from edge_detector.errors import ConfigError
from edge_detector.inference.runtime import AUTO, MAX_THREADS, RUNTIMES

# From the text of a command line or a value of TOML to what the option means; a `ValueError` says
# what would be right.
Reader = Callable[[Any], Any]


def read_text(raw: Any) -> str:
    if not isinstance(raw, str) or not raw.strip():
        raise ValueError("give a text")
    return raw


def read_source(raw: Any) -> str:
    """A camera's number may be a number in TOML."""
    return str(raw) if type(raw) is int and raw >= 0 else read_text(raw)


def read_path(raw: Any) -> Path:
    return Path(read_text(raw)).expanduser()


def read_switch(raw: Any) -> bool:
    if not isinstance(raw, bool):
        raise ValueError("give true or false")
    return raw


def whole(lowest: int, highest: int) -> Reader:
    """A reader of whole numbers."""

    def read(raw: Any) -> int:
        try:
            number = int(raw) if isinstance(raw, str | int) and not isinstance(raw, bool) else None
        except ValueError:
            number = None
        if number is None or not lowest <= number <= highest:
            raise ValueError(f"give a whole number from {lowest} to {highest}")
        return number

    return read


def number(lowest: float, highest: float) -> Reader:
    """A reader of numbers."""

    def read(raw: Any) -> float:
        try:
            value = math.nan if isinstance(raw, bool) else float(raw)
        except (TypeError, ValueError):
            value = math.nan
        if not lowest <= value <= highest:
            raise ValueError(f"give a number from {lowest:g} to {highest:g}")
        return value

    return read


def choice(*values: str) -> Reader:
    """A reader of one of a few words."""

    def read(raw: Any) -> str:
        if raw not in values:
            raise ValueError(f"give one of {', '.join(values)}")
        return str(raw)

    return read


def read_labels(raw: Any) -> frozenset[str]:
    """From "bolt,nut", or a list."""
    parts = raw.split(",") if isinstance(raw, str) else raw
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise ValueError("give labels with commas between them: bolt,nut")
    labels = frozenset(part.strip() for part in parts) - {""}
    if not labels:
        raise ValueError("give at least one label")
    return labels


def read_scores(raw: Any) -> Mapping[str, float]:
    """From ["bolt=0.4", "nut=0.6"], or a table."""
    read_score = number(0, 1)
    listed = raw if isinstance(raw, list) else [raw]
    pairs = raw.items() if isinstance(raw, dict) else map(_split_pair, listed)
    return {label: read_score(score) for label, score in pairs}


def _split_pair(raw: Any) -> tuple[str, str]:
    label, equals, score = str(raw).rpartition("=")
    if not equals or not label.strip():
        raise ValueError("give a label and its score: bolt=0.4")
    return label.strip(), score


@dataclass(frozen=True)
class Option:
    """One option. What has no metavar is a switch."""

    name: str  # as on the command line, without --
    group: str  # of `GROUPS`
    read: Reader
    default: Any  # the value, or what makes it
    help: str
    metavar: str | None = None
    default_text: str | None = None  # what `--help` says of the default, if not the value
    repeats: bool = False  # may be given several times

    @property
    def key(self) -> str:
        """Its name in Python."""
        return self.name.replace("-", "_")


def default_home() -> Path:
    """`EDGE_DETECTOR_HOME`, else a folder below the user's own."""
    given = os.environ.get("EDGE_DETECTOR_HOME", "").strip()
    return Path(given).expanduser() if given else Path("~/.local/share/edge-detector").expanduser()


def default_threads() -> int:
    """Half the cores: the other half decodes, draws and writes."""
    return max(1, min(4, (os.cpu_count() or 1) // 2))


GROUPS = {
    "frames": "where frames come from",
    "model": "what is detected",
    "results": "where results go",
    "updates": "where models come from",
    "health": "how the device is watched",
    "general": "general",
}

_SOURCE = "a camera's number, a video file, a folder of pictures, or an address: rtsp://host/stream"
_REPEAT = "show a video file in the place of a camera: at its own rate, again and again"
_RUNTIME = f"TFLite runtime: {', '.join((AUTO, *RUNTIMES))}"
_INCLUDE = "labels that count, with commas between them"
_OUTPUT = "annotated video (.mp4, .mov, .mkv or .avi), written anew"
_SHEET = "picture (.png or .jpg) of twelve annotated frames over the run"
_PREVIEW = "serve a live picture and metrics to browsers on this port; 0 takes a free one"
_HOST = "address to serve them on; 0.0.0.0 lets anyone in the network watch"
_SCORE = "score from which a detection counts"
_EVENTS = "detections as JSON Lines, added to the file"
_CHANNEL = "which releases to follow: stable or canary"
_ROOT = "root.json of the publisher, which all trust begins with"
_RECORD = "seconds that one record of the telemetry covers"
_RELEASES = "where releases come from: a folder or an http(s) address"
_PINNED = "what the first contact shows, kept from then on"
_EVERY = "seconds between two looks for releases; 0: only at the start"
_WATCHDOG = "seconds after which a stuck interpreter ends the process with status 70"
_TELEMETRY = (
    "folder or http(s) address that gets this device's metrics; the key it may want is taken from"
    " $EDGE_DETECTOR_TELEMETRY_KEY, or from the file that …_KEY_FILE names"
)
_HOME = "folder of the device: its models, its id, what waits to be sent"
_HOME_DEFAULT = "$EDGE_DETECTOR_HOME, else ~/.local/share/edge-detector"
_AGAIN = "first forget which releases this device has refused: they may be taken again"
_CONFIG = "TOML file with options as keys; the command line wins"
_ID = "this device's name in roll-outs and telemetry"
_ID_DEFAULT = "made at random, kept in the home"

HOME = Option("home", "general", read_path, default_home, _HOME, "DIR", _HOME_DEFAULT)
CONFIG = Option("config", "general", read_path, None, _CONFIG, "FILE", "none")
AGAIN = Option("again", "updates", read_switch, False, _AGAIN)
JSON = Option("json", "general", read_switch, False, "print JSON, for programs")

UPDATES = (
    Option("releases", "updates", read_text, None, _RELEASES, "URL", "none: what is installed"),
    Option("channel", "updates", choice(*CHANNELS), STABLE, _CHANNEL, "NAME"),
    Option("name", "updates", read_text, None, "name of the model", "NAME", "the only one"),
    Option("root", "updates", read_path, None, _ROOT, "FILE", _PINNED),
    Option("device-id", "updates", read_text, None, _ID, "ID", _ID_DEFAULT),
)

INTERPRETER = (
    Option(
        "threads",
        "model",
        whole(1, MAX_THREADS),
        default_threads,
        help="threads of the interpreter",
        metavar="N",
        default_text="half the cores, 1 to 4",
    ),
    Option("runtime", "model", choice(AUTO, *RUNTIMES), AUTO, _RUNTIME, "NAME"),
)
RUN = (
    Option("source", "frames", read_source, "0", _SOURCE, "SOURCE"),
    Option("repeat", "frames", read_switch, False, _REPEAT),
    Option("frames", "frames", whole(1, 2**62), None, "end after so many frames", "N", "never"),
    Option("threshold", "model", number(0, 1), None, _SCORE, "SCORE", "the manifest's"),
    Option(
        "label-threshold",
        "model",
        read_scores,
        {},
        help="the same for one label; may be repeated",
        metavar="LABEL=SCORE",
        default_text="the manifest's",
        repeats=True,
    ),
    Option("include", "model", read_labels, None, _INCLUDE, "LABELS", "all"),
    *INTERPRETER,
    Option("headless", "results", read_switch, False, "no window, also where there is a display"),
    Option("output", "results", read_path, None, _OUTPUT, "FILE", "none"),
    Option("events", "results", read_path, None, _EVENTS, "FILE", "none"),
    Option("contact-sheet", "results", read_path, None, _SHEET, "FILE", "none"),
    Option("preview", "results", whole(0, 65535), None, _PREVIEW, "PORT", "none"),
    Option("preview-host", "results", read_text, "127.0.0.1", _HOST, "HOST"),
    *UPDATES,
    Option("update-every", "updates", number(0, 30 * 86400), 900.0, _EVERY, "S"),
    Option("watchdog", "health", number(1, 86400), 10.0, _WATCHDOG, "S"),
    Option("telemetry", "health", read_text, None, _TELEMETRY, "URL", "none"),
    Option("telemetry-every", "health", number(0.05, 86400), 60.0, _RECORD, "S"),
    HOME,
    CONFIG,
)
UPDATE = (*INTERPRETER, *UPDATES, AGAIN, HOME, CONFIG)
STATUS = (HOME, CONFIG, JSON)
ROLLBACK = (HOME, CONFIG)


def read_option(option: Option, raw: Any, place: str) -> Any:
    """The value of an option; place: how to call it in a message.

    Raises:
        ConfigError: it is none that the option takes.
    """
    try:
        return option.read(raw)
    except (ValueError, RuntimeError) as error:  # the latter: the home of an unknown user
        value = raw[0] if isinstance(raw, list) and len(raw) == 1 else raw
        raise ConfigError(f"{place} is {str(value)[:100]!r}: {error}") from None
