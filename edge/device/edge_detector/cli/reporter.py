"""Tells a run's user, systemd and the telemetry how the run does."""

import logging

from edge_detector.capture.camera import FileCamera
from edge_detector.capture.live import LiveCamera
from edge_detector.cli.progress import Progress
from edge_detector.inference.detector import Detector
from edge_detector.loop.metrics import Metrics
from edge_detector.loop.report import progress_line
from edge_detector.system.systemd import Systemd
from edge_detector.telemetry.telemetry import Telemetry

logger = logging.getLogger(__name__)


class Reporter:
    """What a run says, from its first model to its end."""

    def __init__(
        self,
        progress: Progress,
        systemd: Systemd,
        telemetry: Telemetry | None,
        metrics: Metrics,
    ) -> None:
        self._progress, self._systemd = progress, systemd
        self._telemetry, self._metrics = telemetry, metrics

    def model(self, detector: Detector) -> None:
        """From now on this model runs."""
        manifest = detector.manifest
        logger.info("model %s %s on %s", manifest.name, manifest.version, detector.runtime_name)
        if self._telemetry is not None:
            self._telemetry.model(manifest, detector.runtime_name)

    def rolled_back(self) -> None:
        if self._telemetry is not None:
            self._telemetry.state("rolled-back")

    def begun(self, detector: Detector, camera: FileCamera | LiveCamera, source: str) -> None:
        """The loop turns. source: the camera, as it may be shown."""
        if isinstance(camera, LiveCamera) and self._telemetry is not None:
            camera.on_event = self._telemetry.count
        about = f"detecting on {source} with {detector.manifest.name} {detector.manifest.version}"
        logger.info("%s; Ctrl-C ends", about)
        self._systemd.ready(about)

    def state(self, camera: FileCamera | LiveCamera, contacted: bool) -> None:
        """How it is now. contacted: the release server has answered since the last time."""
        line = progress_line(self._metrics, camera)
        self._systemd.status(line)
        if not camera.live:
            self._progress.show(line)
        if self._telemetry is not None:
            self._telemetry.state("ok" if camera.trouble is None else "no-frames")
            if contacted:
                self._telemetry.contact()

    def ending(self) -> None:
        """The loop ends, or has ended."""
        self._progress.clear()
        self._systemd.stopping()

    def stuck(self) -> None:
        """The loop hangs, and the process is about to be ended."""
        if self._telemetry is not None:
            self._telemetry.state("stuck")
            self._telemetry.flush()
