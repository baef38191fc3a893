"""The state as a worker holds it: opened when it can be, and anew when it is another one.

A worker whose state is damaged, gone or away answers what needs no state, and says so; once the
state is mended, replaced or back, it goes on by itself.
"""

import logging

from services.fraud.errors import StateUnavailable
from services.fraud.state.place import StatePlace
from services.fraud.state.state import State

AT_ONCE_S = 0.005  # that a request waits for others while nothing else is answered
logger = logging.getLogger(__name__)


class HeldState:
    """The state of the moment. `refresh` is called by one thread, `get` by any."""

    def __init__(self, place: StatePlace) -> None:
        self._place = place
        self._state: State | None = None
        self._replaced: State | None = None
        self._fault = "it is not opened yet"
        self.refresh()

    def get(self) -> State:
        """The state.

        Raises: StateUnavailable: there is none that can be used now.
        """
        if self._state is None:
            raise StateUnavailable(self._fault)
        return self._state

    def refresh(self) -> None:
        """Open the state if it is not open, or if the open one is no longer in its place."""
        if self._state is not None and self._state.is_current():
            return
        if self._replaced is not None:  # by now nobody is in the middle of using it
            self._replaced.close()
        self._replaced = self._state
        try:
            self._state = self._place.open(patience_s=AT_ONCE_S)
        except StateUnavailable as error:
            if str(error) != self._fault:
                logger.error("%s", error)
            self._state, self._fault = None, str(error)

    def close(self) -> None:
        """Let go of it."""
        for state in (self._state, self._replaced):
            if state is not None:
                state.close()
