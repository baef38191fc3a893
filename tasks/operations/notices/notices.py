"""Tells what is wrong, once: what was told lies in the home, and what could not be sent waits.

Each message is written down before it is sent, and taken off when an address has it: a crash in
between sends it a second time, and loses none. Of several processes one tells.
"""

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from services.storage.files import write_bytes
from services.storage.locks import Held, held
from tasks.operations.notices.addresses import Address
from tasks.operations.notices.memory import Memory
from tasks.operations.notices.message import Message, write_message
from tasks.operations.notices.trouble import Trouble

FIRST_AGAIN, LAST_AGAIN = timedelta(minutes=1), timedelta(minutes=30)

log = logging.getLogger(__name__)


@dataclass
class Waiting:
    """A message that is still to be sent. to: ids of addresses; has_reached: one has had it."""

    message: Message
    to: list[str]
    has_reached: bool = False


@dataclass
class Away:
    """An address that did not take a message: how often in a row, and when it is tried again."""

    tries: int
    again_at: datetime


@dataclass
class State:
    """What has to outlive the process."""

    memory: Memory = field(default_factory=Memory)
    waiting: list[Waiting] = field(default_factory=list)
    away: dict[str, Away] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        away = {
            key: {"tries": each.tries, "again_at": each.again_at.isoformat()}
            for key, each in self.away.items()
        }
        waiting = [asdict(each) for each in self.waiting]
        return {"memory": self.memory.to_json(), "waiting": waiting, "away": away}


class Notices:
    """Tells troubles to addresses."""

    def __init__(
        self,
        home: Path,
        addresses: Sequence[Address],
        say: Callable[[str], None] = log.warning,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """say: takes lines for the log; clock: instants in UTC. Nothing is written yet."""
        self._home = home
        self._addresses = [address for address in addresses if not address.fault]
        self._file = home / "notices" / "state.json"
        self._say, self._clock = say, clock
        for address in addresses:
            if address.fault:
                say(f"TRIPTYCH_NOTIFY_URLS: {address.shown} {address.fault}; nothing is sent there")

    def report(self, troubles: Iterable[Trouble]) -> None:
        """Take all that is wrong at this moment; what is new or well again is told.

        Where another process is just telling, nothing is done: it is asked again soon.

        Raises: OSError: it cannot be written down, and then nothing is sent.
        """
        if not self._addresses:
            return
        try:
            with held(self._file.with_name("lock"), patience_s=0):
                state = self._read()
                before = state.to_json()
                now = self._clock()
                if news := state.memory.take(troubles, now):
                    everybody = [address.id for address in self._addresses]
                    message = write_message(news, self._home, now)
                    state.waiting.append(Waiting(message, everybody))
                self._readdress(state)
                if state.to_json() != before:
                    self._write(state)
                for address in self._addresses:
                    self._deliver(state, address)
        except Held:
            return

    def send(self, message: Message) -> None:
        """Send a message of another kind in the same way, such as a digest.

        Raises: OSError: it cannot be written down, and then nothing is sent.
        """
        if not self._addresses:
            return
        with held(self._file.with_name("lock")):
            state = self._read()
            state.waiting.append(Waiting(message, [each.id for each in self._addresses]))
            self._write(state)
            for address in self._addresses:
                self._deliver(state, address)

    def _deliver(self, state: State, address: Address) -> None:
        """What waits for an address, in order; once it refuses, it is left alone for a while."""
        away = state.away.get(address.id)
        if away is not None and self._clock() < away.again_at <= self._clock() + LAST_AGAIN:
            return
        for waiting in [each for each in state.waiting if address.id in each.to]:
            if not address.send(waiting.message):
                self._put_off(state, address)
                return
            if state.away.pop(address.id, None):
                self._say(f"{address.shown} takes messages again")
            waiting.to.remove(address.id)
            waiting.has_reached = True
            state.waiting = [each for each in state.waiting if each.to]
            self._write(state)

    def _put_off(self, state: State, address: Address) -> None:
        tries = state.away[address.id].tries + 1 if address.id in state.away else 1
        pause = min(FIRST_AGAIN * 2 ** min(tries - 1, 10), LAST_AGAIN)
        state.away[address.id] = Away(tries, self._clock() + pause)
        if tries == 1:
            self._say(f"{address.shown} did not take a message; it waits, and is tried again")
        self._write(state)

    def _readdress(self, state: State) -> None:
        """Addresses that are no longer set get nothing; what nobody has had goes to those that are.

        Somebody may have corrected the only one.
        """
        ids = [address.id for address in self._addresses]
        state.away = {key: away for key, away in state.away.items() if key in ids}
        for waiting in state.waiting:
            waiting.to = [key for key in waiting.to if key in ids]
            if not waiting.to and not waiting.has_reached:
                waiting.to = list(ids)
        state.waiting = [each for each in state.waiting if each.to]

    def _read(self) -> State:
        try:
            values = json.loads(self._file.read_bytes())
            return _of_json(values)
        except FileNotFoundError:
            return State()
        except (ValueError, KeyError, TypeError, AttributeError):
            self._say(f"{self._file} is damaged: what is wrong now is told, perhaps again")
            return State()

    def _write(self, state: State) -> None:
        write_bytes(self._file, json.dumps(state.to_json(), indent=1).encode(), mode=0o600)


def _of_json(values: dict[str, Any]) -> State:
    waiting = [
        Waiting(Message(**each["message"]), list(each["to"]), bool(each["has_reached"]))
        for each in values["waiting"]
    ]
    away = {
        key: Away(int(each["tries"]), datetime.fromisoformat(each["again_at"]))
        for key, each in values["away"].items()
    }
    return State(Memory.of_json(values["memory"]), waiting, away)
