"""Telemetry: a record per interval of how a run goes, kept on disk until a collector has it.

The loop hands over each frame in a few microseconds, and never waits for disk or network. One
thread ends the intervals and writes their records; another sends what is on disk, oldest first,
and waits longer after each failure. Whatever goes wrong is logged and counted, never raised.
"""

import logging
import platform
import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import cv2

from edge_detector.contract.manifest import Manifest
from edge_detector.contract.names import DEVICE_ID
from edge_detector.contract.telemetry import (
    FORMAT,
    MAX_LABELS,
    STATES,
    Percentiles,
    Record,
    RunningModel,
    State,
)
from edge_detector.errors import ConfigError
from edge_detector.system.disk import disk_error
from edge_detector.system.temperature import read_temperature
from edge_detector.telemetry.delivery import Delivery, Refused, Unsent
from edge_detector.telemetry.interval import Interval, Sample
from edge_detector.telemetry.spool import Spool

MAX_BYTES = 5_000_000  # of records that wait
LONGEST_PAUSE_S = 900.0  # between attempts to send
CLOSING_S = 3.0  # that the end of a run waits for a last delivery

logger = logging.getLogger(__name__)


class Telemetry:
    """Reports on one run. Use it as a context manager; every method may be called by any thread."""

    def __init__(
        self,
        delivery: Delivery,
        home: Path,
        device_id: str,
        every_s: float = 60.0,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take up what an earlier run could not send; no thread runs yet.

        Args:
            delivery: the way to the collector; see `open_delivery`.
            home: the device's folder; records wait in `telemetry` below it.
            every_s: length of an interval.
            now, monotonic: fakes of the clocks.

        Raises:
            ConfigError: a wrong device id or interval, or a folder that cannot be used.
            EdgeError: the folder cannot be used now, as on a broken disk. A full one is waited for.
        """
        if not DEVICE_ID.accepts(device_id):
            raise ConfigError(f"device id {device_id!r}: use {DEVICE_ID.right}")
        if not 0.05 <= every_s <= 86_400:
            raise ConfigError(f"telemetry every {every_s:g} s: use 0.05 to 86400")
        self._delivery = delivery
        try:
            self._spool = Spool(home / "telemetry", MAX_BYTES)
        except OSError as error:
            raise disk_error(f"telemetry cannot be kept in {home}", error) from error
        self._device, self._every_s = device_id, every_s
        self._now, self._monotonic = now, monotonic
        self._started = self._contact_at = monotonic()
        self._lock = threading.Lock()  # of the interval, held for an exchange or an addition
        self._interval = Interval(self._started)
        self._state: State = "ok"
        self._model: RunningModel | None = None
        self._runtime = ""
        self._versions = _versions()
        self._ending = threading.Event()
        self._waiting = threading.Event()  # there is something to send
        self._threads = [
            threading.Thread(target=self._keep_time, name="telemetry", daemon=True),
            threading.Thread(target=self._keep_sending, name="telemetry-sender", daemon=True),
        ]

    def frame(self, sample: Sample) -> None:
        """A frame went through."""
        with self._lock:
            self._interval.add(sample)

    def count(self, what: str, number: int = 1) -> None:
        """Frames were "dropped", or the camera was "reopened"."""
        with self._lock:
            self._interval.counts[what] += number

    def model(self, manifest: Manifest, runtime: str) -> None:
        """From now on this model runs."""
        model = RunningModel(
            name=manifest.name, version=manifest.version, sha256=manifest.model.sha256
        )
        with self._lock:
            self._model, self._runtime = model, runtime

    def state(self, state: State) -> None:
        """From now on the run is in this state, one of `STATES`; a record has the worst."""
        if state not in STATES:
            raise ValueError(f"state {state!r}: use one of {', '.join(STATES)}")
        with self._lock:
            self._state = state
            self._interval.worsen(state)

    def contact(self) -> None:
        """The network works: the release server, or the collector, has just answered."""
        self._contact_at = self._monotonic()

    def flush(self) -> None:
        """End the interval now and bring its record to the disk, as before a sudden end."""
        began = self._monotonic()
        with self._lock:
            interval, self._interval = self._interval, Interval(began, self._state)
            model, runtime = self._model, self._runtime
        seconds = max(began - interval.began, 1e-3)
        at = self._now()

        def write(number: int) -> dict[str, object]:
            record = Record(
                format=FORMAT,
                device=self._device,
                seq=number,
                at=at,
                interval_s=round(seconds, 3),
                frames=interval.frames,
                fps=round(interval.frames / seconds, 2),
                dropped=interval.counts["dropped"],
                reopened=interval.counts["reopened"],
                temperature_c=read_temperature(),
                state=interval.state,
                model=model,
                runtime=runtime,
                offline_s=round(max(0.0, began - self._contact_at), 1),
                uptime_s=round(began - self._started, 1),
                lost=self._spool.lost,
                latency_ms={s: Percentiles(**taken) for s, taken in interval.latency_ms().items()},
                detections=dict(interval.labels.most_common(MAX_LABELS)),
                versions=self._versions,
            )
            return record.to_object()

        self._spool.append(write)
        self._waiting.set()

    def __enter__(self) -> "Telemetry":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ending.set()
        self._waiting.set()
        deadline = time.monotonic() + CLOSING_S
        for thread in self._threads:
            # A delivery that hangs is left behind; its records stay on disk.
            thread.join(max(0.0, deadline - time.monotonic()))

    def send_waiting(self) -> None:
        """Send all that is on disk.

        Raises:
            Unsent: the collector is out of reach, or wants it later.
        """
        while (batch := self._spool.oldest()) is not None:
            try:
                self._delivery.send(self._device, batch)
            except Refused as problem:
                logger.warning("telemetry is not taken, and dropped: %s", problem)
                self._spool.lose(batch)
            else:
                self._spool.forget(batch)
            self.contact()

    def _keep_time(self) -> None:
        due = time.monotonic() + self._every_s
        while not self._ending.wait(max(0.0, due - time.monotonic())):
            self._flush_quietly()
            # After a machine's sleep, the intervals that were missed are not made up for.
            due = max(due + self._every_s, time.monotonic())
        self._flush_quietly()

    def _flush_quietly(self) -> None:
        try:
            self.flush()
        except Exception:  # whatever it is, detection goes on
            logger.exception("telemetry could not be written")

    def _keep_sending(self) -> None:
        failures = 0
        while True:
            last = self._ending.is_set()
            if last:
                self._threads[0].join(CLOSING_S)  # the last record is on its way
            self._waiting.clear()
            try:
                self.send_waiting()
                failures = 0
            except Unsent as problem:
                failures += 1
                (logger.warning if failures == 1 else logger.debug)("telemetry waits: %s", problem)
            except Exception:
                failures += 1
                logger.exception("telemetry could not be sent")
            if last:
                return
            if failures:
                pause = min(self._every_s * 2 ** min(failures, 10), LONGEST_PAUSE_S)
                self._ending.wait(pause * random.uniform(0.75, 1.25))
            elif not self._ending.is_set():
                self._waiting.wait()


def _versions() -> dict[str, str]:
    try:
        ours = metadata.version("edge-detector")
    except metadata.PackageNotFoundError:
        ours = ""
    return {
        "python": platform.python_version(),
        "opencv": str(cv2.__version__),
        "edge_detector": ours,
    }
