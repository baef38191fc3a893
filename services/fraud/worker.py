"""One worker process of the service: its parts, put together, and what goes on beside requests."""

import logging
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from services.fraud import store
from services.fraud.champion import Champion
from services.fraud.detector import Detector
from services.fraud.errors import FraudError
from services.fraud.log_process import LogProcess
from services.fraud.metrics import Metrics
from services.fraud.registry import Registry
from services.fraud.settings import ServiceSettings
from services.fraud.snapshot import read_pointer
from services.fraud.state import State
from services.fraud.web import Limits, Web

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

CHAMPION_EVERY_S = 0.5
HISTORY_EVERY_S = 10.0
LOG_TIMEOUT_S = 5.0  # for the database to take what is left when the worker ends
logger = logging.getLogger(__name__)


class Worker:
    """Everything that a process needs to answer."""

    def __init__(
        self,
        settings: ServiceSettings,
        registry: "CollectorRegistry | None" = None,
        packed: tuple[str, Path] | None = None,
    ) -> None:
        """Open the model, the state and the log. A missing model or database is no error here.

        registry: of metrics; by default the process's own. packed: tag and folder of the model
        that came with the code, which answers until the registry names one.
        """
        self._home, self._packed = settings.home, packed
        self._state_path = settings.home / "fraud" / "state.db"
        self._metrics = Metrics(registry)
        self._champion = Champion(
            Registry(settings.home),
            self._model_folder,
            default=packed[0] if packed else None,
            on_swap=self._swapped,
        )
        self._champion.refresh()
        self._load_history()
        self._state = State(self._state_path)
        self._log = LogProcess(settings.log_url, settings.home / "fraud" / "spill")
        self._detector = Detector(
            self._champion,
            self._state,
            self._log,
            self._metrics,
            max_state_age_s=settings.fraud_max_state_age_h * 3_600,
        )
        self.web = Web(
            self._detector,
            self._metrics,
            keys=settings.keys,
            limits=Limits(
                settings.fraud_max_in_flight,
                settings.fraud_body_timeout_s,
                settings.fraud_batch_max_bytes,
            ),
        )
        self._beside = [
            _Periodic(self._champion.refresh, CHAMPION_EVERY_S),
            _Periodic(self._load_history, HISTORY_EVERY_S),
            _Periodic(self._report, CHAMPION_EVERY_S),
        ]
        if not settings.keys:
            logger.warning("TRIPTYCH_API_KEYS is not set: only this machine is answered")

    def close(self) -> None:
        """Write what has been answered, to the database or, failing that, into a file."""
        for periodic in self._beside:
            periodic.stop()
        self._log.close(LOG_TIMEOUT_S)
        self._state.close()

    def _model_folder(self, tag: str) -> Path:
        if self._packed and tag == self._packed[0]:
            return self._packed[1]
        return store.folder(tag, self._home)

    def _swapped(self, succeeded: bool) -> None:
        (self._metrics.swaps if succeeded else self._metrics.swap_failures).inc()

    def _load_history(self) -> None:
        """Bring the state up to the newest snapshot, by a connection of this thread's own."""
        try:
            pointer = read_pointer(self._home)
            if pointer is None:
                return
            with closing(State(self._state_path)) as state:
                if state.snapshot != pointer.digest:
                    loaded = state.load(pointer)
                    logger.info("history of %d rows: %s", pointer.rows, loaded)
        except (FraudError, OSError) as error:
            logger.error("the snapshot is not loaded: %s", error)

    def _report(self) -> None:
        """Gauges, for whoever asks whichever worker."""
        age_s = self._detector.readiness()["state_age_s"]
        if age_s is not None:
            self._metrics.state_age.set(age_s)
        for name, gauge in self._metrics.log.items():
            gauge.set(getattr(self._log, name))


class _Periodic:
    """Calls a function every so often from a thread of its own; what it raises is logged."""

    def __init__(self, function: Callable[[], None], every_s: float) -> None:
        self._function, self._every_s = function, every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=function.__name__, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            try:
                self._function()
            except Exception:  # the thread must live on
                logger.exception("%s failed", self._function.__name__)
