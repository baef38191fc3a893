"""One worker process of the service: its parts, put together, and what goes on beside requests."""

import contextlib
import logging
import threading
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from services.fraud.errors import FraudError, LogError
from services.fraud.http.web import Limits, Web
from services.fraud.log.database import Database
from services.fraud.log.loader import PATIENCE_S
from services.fraud.log.log import AnswerLog
from services.fraud.metrics import Metrics
from services.fraud.metrics_folder import MetricsFolder
from services.fraud.scoring.champion import Champion
from services.fraud.scoring.detector import Detector
from services.fraud.scoring.models import Models
from services.fraud.settings import ServiceSettings
from services.fraud.state.held_state import HeldState
from services.fraud.state.place import StatePlace
from services.fraud.state.snapshot import read_pointer
from services.fraud.supervisor import Watch
from services.reporting.traces import tracer_provider

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

OFTEN_S, SELDOM_S = 0.5, 10.0
logger = logging.getLogger(__name__)


class Worker:
    """Everything that a process needs to answer."""

    def __init__(
        self,
        settings: ServiceSettings,
        packed: tuple[str, Path] | None = None,
        *,
        server: str | None = None,
    ) -> None:
        """Open the model, the state and the log. That one of these is not there is no error here.

        packed: tag and folder of the model that came with the code, which answers until the
        registry names one. server: name of the one that this process is a worker of, if it is;
        when that ends, so does this process.

        Raises:
            LogError, ModelsUnavailable: the address of a database is none.
            TracesError: an address for traces is set, and they cannot be sent.
            OSError: the home folder cannot be written.
        """
        url = settings.traces_url
        self._traces = tracer_provider("triptych-fraud", url) if url else None
        detector_of, web_of = _answering(self._traces)
        self._home, self._packed = settings.home, packed
        self._place = StatePlace(settings.home, settings.state_url, settings.state_holds_log)
        if settings.state_holds_log:
            _make_log(settings.log_url)
        self._log = AnswerLog(settings.log_url, settings.home / "fraud" / "spill")
        self._folder = MetricsFolder(settings.home, server) if server else None
        self._metrics = Metrics(self._folder.path if self._folder else None)
        self._watch = Watch(server) if server else None
        self._models = Models(settings.home, settings.fraud_state_url, serves=True)
        self._champion = self._open_champion()
        history = _Periodic(self._load_history, SELDOM_S)
        history.once()
        self._state = HeldState(self._place)
        self._detector = detector_of(
            self._champion,
            self._state,
            self._log,
            self._metrics,
            max_state_age_s=settings.fraud_max_state_age_h * 3_600,
        )
        limits = _limits(settings)
        self.web = web_of(self._detector, self._metrics, keys=settings.keys, limits=limits)
        self._beside = [
            history,
            _Periodic(self._champion.refresh, OFTEN_S),
            _Periodic(self._state.refresh, OFTEN_S),
            _Periodic(self._report, OFTEN_S),
        ]
        self._start(is_for_this_machine=not settings.keys)

    def _open_champion(self) -> Champion:
        champion = Champion(
            self._models.registry(),
            self._model_folder,
            default=self._packed[0] if self._packed else None,
            on_swap=self._swapped,
        )
        champion.refresh()
        return champion

    def _start(self, *, is_for_this_machine: bool) -> None:
        """What goes on beside requests; and what is missing is logged."""
        for periodic in self._beside:
            periodic.start()
        if self._watch:
            self._watch.start()
        if not self._log.await_start():
            logger.error("the log's process does not start; answers wait for it in files")
        found = self._detector.readiness()
        if not found["ready"]:
            missing = found["waiting_for"]
            logger.error("nothing answers, and /readyz says 503, for want of this: %s", missing)
        if is_for_this_machine:
            logger.warning("TRIPTYCH_API_KEYS is not set: only this machine is answered")

    def close(self) -> None:
        """Write what has been answered, to the database or, failing that, into a file."""
        for periodic in self._beside:
            periodic.stop()
        self._log.close()
        self._report()
        self._state.close()
        self._models.close()
        if self._traces:
            self._traces.shutdown()
        if self._folder:
            self._folder.release()
        if self._watch:  # last: it ends a process that does not come this far
            self._watch.stop()

    def _model_folder(self, tag: str) -> Path:
        if self._packed and tag == self._packed[0]:
            return self._packed[1]
        return self._models.folder(tag)

    def _swapped(self, succeeded: bool) -> None:
        (self._metrics.swaps if succeeded else self._metrics.swap_failures).inc()

    def _load_history(self) -> None:
        """Bring the state up to the newest snapshot, opened by this thread for itself."""
        pointer = read_pointer(self._home)
        if pointer is None:
            return
        with closing(self._place.open()) as state:
            # What machines share gets snapshots by flows: that of this home may be an old one.
            is_old = self._place.url is not None and (state.as_of or 0) >= pointer.as_of
            if state.snapshot != pointer.digest and not is_old:
                logger.info("history of %d rows: %s", pointer.rows, state.load(pointer))

    def _report(self) -> None:
        """Gauges, for whoever asks whichever worker."""
        age_s = self._detector.readiness()["state_age_s"]
        if age_s is not None:
            self._metrics.state_age.set(age_s)
        self._metrics.logged(self._log.counted())


def _make_log(url: str) -> None:
    """Make the log's tables, where answers are logged as they are recorded.

    A database that is away has them made later, by the log itself.
    """
    with contextlib.suppress(LogError), closing(Database(url, patience_s=PATIENCE_S)) as database:
        database.prepare()


def _limits(settings: ServiceSettings) -> Limits:
    return Limits(
        max_in_flight=settings.fraud_max_in_flight,
        body_timeout_s=settings.fraud_body_timeout_s,
        batch_max_bytes=settings.fraud_batch_max_bytes,
    )


def _answering(
    traces: "TracerProvider | None",
) -> tuple[Callable[..., Detector], Callable[..., Web]]:
    """What decides, and the door before it: with spans where these are sent somewhere."""
    if traces is None:
        return Detector, Web
    from services.fraud.traced import TracedDetector, TracedWeb

    tracer = traces.get_tracer("triptych")
    return partial(TracedDetector, tracer), partial(TracedWeb, tracer)


class _Periodic:
    """Calls a function every so often from a thread of its own; what it raises is logged once."""

    def __init__(self, function: Callable[[], None], every_s: float) -> None:
        self._function, self._every_s = function, every_s
        self._fault: str | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=function.__name__, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    def once(self) -> None:
        """Call it now; a fault that goes on is told once."""
        try:
            self._function()
            self._fault = None
        except (FraudError, OSError) as error:
            if str(error) != self._fault:
                logger.error("%s", error)
            self._fault = str(error)
        except Exception as error:  # the thread must live on
            if repr(error) != self._fault:
                logger.exception("%s failed", self._function.__name__)
            self._fault = repr(error)

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            self.once()
