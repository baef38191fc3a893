"""Opens the outputs that a configuration names.

None of them may take the place of what is read, or of another one. One that cannot be written for
now, as on a full disk, is said and left out: detection is worth more.
"""

import errno
import logging
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from edge_detector.capture.frame import Camera
from edge_detector.capture.source import Source, parse_source
from edge_detector.cli.config import Config
from edge_detector.contract.picture_files import PICTURES
from edge_detector.errors import ConfigError, EdgeError
from edge_detector.loop.sink import Sink
from edge_detector.outputs.contact_sheet import ContactSheet
from edge_detector.outputs.events import EventsFile
from edge_detector.outputs.preview import Preview
from edge_detector.outputs.video import VideoFile
from edge_detector.outputs.window import Window, why_no_window

logger = logging.getLogger(__name__)


def open_outputs(
    config: Config, camera: Camera, status: Callable[[], Mapping[str, Any]]
) -> list[Sink]:
    """All outputs of a run that can be had now. status: the metrics for the preview.

    Raises:
        ConfigError: one of them can never be; those opened before are closed again.
        EdgeError: the port of the preview is taken.
    """
    _check_apart(config)
    with ExitStack() as stack:
        outputs: list[Sink] = []

        def add(output: Sink) -> None:
            outputs.append(output)
            stack.callback(output.close)

        def add_file(path: Path | None, opened: Callable[[Path], Sink]) -> None:
            if path is not None:
                try:
                    add(opened(path))
                except ConfigError:
                    raise
                except EdgeError as error:
                    logger.warning("%s; going on without it", error)

        add_file(config.output, lambda path: VideoFile(path, camera.fps, camera.live))
        add_file(config.events, EventsFile)
        add_file(config.contact_sheet, ContactSheet)
        if config.preview is not None:
            preview = _open_preview(config.preview_host, config.preview, status)
            add(preview)
            logger.info("the live picture is at %s", preview.address)
        if not config.headless:
            reason = why_no_window()
            if reason is None:
                add(Window())
            else:
                logger.info("no window, since %s; --headless asks for none", reason)
        stack.pop_all()
        return outputs


def _open_preview(host: str, port: int, status: Callable[[], Mapping[str, Any]]) -> Preview:
    try:
        return Preview(host, port, status)
    except ConfigError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EADDRINUSE:
            raise EdgeError(str(error)) from error  # the other one may end
        raise


def _check_apart(config: Config) -> None:
    """Raises: ConfigError: an output would destroy what is read, or another output."""
    named = {
        "--output": config.output,
        "--events": config.events,
        "--contact-sheet": config.contact_sheet,
    }
    source = parse_source(config.source, config.repeat)
    seen: dict[str, Path] = {}
    for option, path in named.items():
        if path is None:
            continue
        if _is_read(path, source):
            raise ConfigError(
                f"{option} {path} would be written over --source {source.target}: give another file"
            )
        for other, taken in seen.items():
            if _is_same_file(path, taken):
                raise ConfigError(f"{option} and {other} are one file, {path}: give two")
        seen[option] = path


def _is_read(path: Path, source: Source) -> bool:
    """Whether a file is the source, or a picture of it, or would be one of the next run."""
    if source.kind == "address" or (source.kind == "device" and source.target.isdigit()):
        return False
    place = Path(source.target)
    if _is_same_file(path, place):
        return True
    if source.kind != "folder":
        return False
    if path.suffix.lower() in PICTURES and _is_same_file(path.parent, place):
        return True
    try:
        there = path.stat()
        pictures = [file for file in place.iterdir() if file.suffix.lower() in PICTURES]
    except OSError:  # a new file; or a folder that its reader will complain of
        return False
    return any(_is_linked(there, picture) for picture in pictures)  # by a link


def _is_linked(there: os.stat_result, picture: Path) -> bool:
    with suppress(OSError):  # a link that leads nowhere
        return os.path.samestat(there, picture.stat())
    return False


def _is_same_file(path: Path, other: Path) -> bool:
    """Whether two names lead to one file, be it there already or not."""
    if os.path.realpath(path) == os.path.realpath(other):
        return True
    with suppress(OSError):  # one of them is not there
        return path.samefile(other)
    return False
