"""What the watcher sees is told: in lines of its log, and to the addresses that are set.

What is wrong in the home is told with it: nights, models, promotion, devices, signatures, disk.
Sending, and looking at the home, take seconds where something is away; so they have a thread of
their own, and the watcher goes on looking.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from tasks.operations.notices.addresses import read_addresses
from tasks.operations.notices.memory import kind_of
from tasks.operations.notices.notices import Notices
from tasks.operations.notices.trouble import Trouble
from tasks.operations.status.state import Status
from tasks.operations.watch.figures import Figures
from tasks.settings import Settings

ROUND_S = 3.0
HOME_S = 30.0  # between looks at the home; within the minute that a trouble has to last
SEEN_BETTER = frozenset({"prefect", "no-worker", "run-failed"})  # by the watcher

log = logging.getLogger(__name__)


class Teller:
    """Takes all that the watcher sees at a moment, again and again."""

    def __init__(
        self,
        notices: Notices,
        say: Callable[[str], None],
        in_lines: Callable[[Sequence[Trouble]], None],
        at_home: Callable[[], Iterable[Trouble]] = tuple,
        clock: Callable[[], float] = time.monotonic,
        observe: Callable[[Sequence[Trouble]], None] = lambda troubles: None,
    ) -> None:
        """say: takes lines for the log; in_lines: takes the troubles, and says what is new.

        at_home: finds what is wrong in the home; clock: seconds, never jumping; observe: takes
        all that is wrong, each time.
        """
        self._notices, self._say, self._in_lines = notices, say, in_lines
        self._at_home, self._observe, self._clock = at_home, observe, clock
        self._seen: Sequence[Trouble] | None = None
        self._home: Sequence[Trouble] = ()
        self._looked_at: float | None = None
        self._faults: dict[str, str] = {}

    def __call__(self, troubles: Sequence[Trouble]) -> None:
        """Take all that is wrong as the watcher sees it."""
        self._seen = tuple(troubles)

    def start(self) -> None:
        """Tell it from now on, in a thread that ends with the process."""
        threading.Thread(target=self._run, name="teller", daemon=True).start()

    def tell(self) -> None:
        """Tell what was seen last; nothing before the watcher has looked."""
        if self._seen is None:
            return
        self._look_at_home()
        troubles = [*self._seen, *_beside(self._seen, self._home)]
        self._in_lines(troubles)
        self._observe(troubles)
        self._guarded("nothing is told", lambda: self._notices.report(troubles))

    def _look_at_home(self) -> None:
        """What it said last holds where it cannot be looked at."""
        now = self._clock()
        if self._looked_at is None or now - self._looked_at >= HOME_S:
            self._looked_at = now
            self._guarded("the home is not looked at", self._take_home)

    def _take_home(self) -> None:
        self._home = tuple(self._at_home())

    def _guarded(self, what: str, do: Callable[[], None]) -> None:
        """A fault is said once, and stops nothing: whoever tells of faults has to live."""
        try:
            do()
            fault = ""
        except OSError as error:
            fault = f"{what}: {error.filename or 'error'}: {error.strerror or error}"
        except Exception as error:
            fault = f"{what}: {type(error).__name__}"
            if fault != self._faults.get(what):
                log.exception("%s", fault)
        if fault and fault != self._faults.get(what):
            self._say(fault)
        self._faults[what] = fault

    def _run(self) -> None:
        while True:
            self.tell()
            time.sleep(ROUND_S)


def _beside(seen: Sequence[Trouble], home: Sequence[Trouble]) -> list[Trouble]:
    """Of what is wrong in the home, what the watcher does not see itself."""
    known = {trouble.key for trouble in seen}
    return [
        trouble
        for trouble in home
        if trouble.key not in known and kind_of(trouble.key) not in SEEN_BETTER
    ]


def teller_of(
    settings: Settings,
    say: Callable[[str], None],
    in_lines: Callable[[Sequence[Trouble]], None],
    figures: Figures,
) -> Teller:
    """The one for the addresses of the settings. figures: take what it sees."""
    notices = Notices(settings.home, read_addresses(settings.notify_text), say)
    return Teller(
        notices,
        say,
        in_lines,
        at_home=lambda: wrong_at_home(settings, figures.take_status),
        observe=figures.take_troubles,
    )


def wrong_at_home(
    settings: Settings, observe: Callable[[Status], None] = lambda status: None
) -> list[Trouble]:
    """All that is wrong in the home and its database. observe: takes how it stands."""
    from tasks.operations.status.read import read_status
    from tasks.operations.troubles import troubles

    status = read_status(settings, datetime.now(UTC))
    observe(status)
    return troubles(status)
