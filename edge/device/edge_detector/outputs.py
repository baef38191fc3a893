"""Opens the outputs that a configuration names."""

import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from edge_detector.camera import Camera
from edge_detector.config import Config
from edge_detector.contact_sheet import ContactSheet
from edge_detector.events import EventsFile
from edge_detector.pipeline import Sink
from edge_detector.preview import Preview
from edge_detector.video import VideoFile
from edge_detector.window import Window, why_no_window

logger = logging.getLogger(__name__)


def open_outputs(
    config: Config, camera: Camera, status: Callable[[], Mapping[str, Any]]
) -> list[Sink]:
    """All outputs of a run, or none. status: the figures for the preview.

    Raises:
        ConfigError: one of them cannot be; those opened before are closed again.
    """
    with ExitStack() as stack:
        outputs: list[Sink] = []

        def add(output: Sink) -> None:
            outputs.append(output)
            stack.callback(output.close)

        if config.output is not None:
            add(VideoFile(config.output, camera.fps, camera.live))
        if config.events is not None:
            add(EventsFile(config.events))
        if config.contact_sheet is not None:
            add(ContactSheet(config.contact_sheet))
        if config.preview is not None:
            preview = Preview(config.preview_host, config.preview, status)
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
