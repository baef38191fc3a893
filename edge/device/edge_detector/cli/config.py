"""What a command was asked to do: its command line over its configuration file over defaults."""

import difflib
import secrets
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from edge_detector.cli.options import AGAIN, CONFIG, JSON, RUN, read_option
from edge_detector.contract.names import DEVICE_ID
from edge_detector.errors import ConfigError
from edge_detector.system.atomic import replace_file

_DEVICE_ID_FILE = "device-id"


@dataclass(frozen=True, kw_only=True)
class Config:
    """The options of any command, by the names that `options` lists, with `-` as `_`.

    Those that a command does not have are at their defaults.
    """

    home: Path
    source: str
    repeat: bool
    frames: int | None
    threads: int
    runtime: str
    threshold: float | None
    label_threshold: Mapping[str, float]
    include: frozenset[str] | None
    headless: bool
    output: Path | None
    events: Path | None
    contact_sheet: Path | None
    preview: int | None
    preview_host: str
    releases: str | None
    channel: str
    name: str | None
    root: Path | None
    device_id: str | None
    update_every: float  # seconds
    watchdog: float  # seconds
    telemetry: str | None
    telemetry_every: float  # seconds
    again: bool
    json: bool


def read_config(given: Mapping[str, Any]) -> Config:
    """The configuration of a command.

    given: what its command line says, raw, by key; `config` names a file.

    Raises:
        ConfigError: a value or a key is wrong, or the file cannot be read.
    """
    known = {option.key: option for option in (*RUN, AGAIN, JSON)}
    defaults = {option.key: option.default for option in known.values()}
    values = {key: made() if callable(made) else made for key, made in defaults.items()}
    if CONFIG.key in given:
        path = read_option(CONFIG, given[CONFIG.key], "--config")
        values |= _read_file(path)
    for key, raw in given.items():
        values[key] = read_option(known[key], raw, f"--{known[key].name}")
    config = Config(**{field.name: values[field.name] for field in fields(Config)})
    if config.device_id is not None and not DEVICE_ID.accepts(config.device_id):
        raise ConfigError(f"--device-id is {config.device_id!r}: give {DEVICE_ID.right}")
    return config


def read_device_id(config: Config) -> str:
    """How this device is called: as configured, else by the random id in its home, made once.

    Raises:
        ConfigError: the home cannot be written.
    """
    if config.device_id is not None:
        return config.device_id
    path = config.home / _DEVICE_ID_FILE
    try:
        kept = path.read_bytes().decode("ascii", "replace").strip() if path.exists() else ""
        if DEVICE_ID.accepts(kept):
            return kept
        config.home.mkdir(parents=True, exist_ok=True)
        made = secrets.token_hex(8)
        replace_file(path, f"{made}\n".encode())
    except OSError as error:
        raise ConfigError(
            f"the home {config.home} cannot be used ({error.strerror}): give a folder of yours"
            " with --home"
        ) from error
    return made


def suggest(name: str, names: Iterable[str]) -> str:
    """ "; did you mean …?" if a name comes close to one that exists, else nothing."""
    close = difflib.get_close_matches(name, list(names), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _read_file(path: Path) -> dict[str, Any]:
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"--config {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"--config {path} is no TOML: {error}") from error
    known = {option.name: option for option in RUN if option is not CONFIG}
    values = {}
    for key, value in raw.items():
        option = known.get(key.replace("_", "-"))
        if option is None:
            raise ConfigError(f"{path} has {key!r}, which is no option{suggest(key, known)}")
        values[option.key] = read_option(option, value, f"{key} in {path}")
    return values
