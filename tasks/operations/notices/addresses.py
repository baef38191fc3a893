"""The Apprise addresses that messages go to. Their secrets are in no log, error or file.

An address is shown by its scheme, and its host where that is a machine's name: of many services
what stands in the host's place is a token.
"""

import hashlib
import logging
import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.operations.notices.message import Message

if TYPE_CHECKING:
    from apprise import NotifyBase

SEND_S = 20.0  # an address that takes longer counts as away
_BETWEEN = re.compile(r"[\s,]+(?=[a-z][a-z0-9+.-]*://)", re.IGNORECASE)
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_MACHINE = re.compile(r"localhost|[\w-]+(\.[\w-]+)+|\[?[0-9a-f:]+:[0-9a-f:]*\]?", re.IGNORECASE)


@dataclass(frozen=True)
class Address:
    """One address.

    Attributes:
        id: tells it from others, also after a restart; nothing of it can be read off.
        shown: for people, such as `address 2 (mailtos://example.org)`.
        fault: why nothing can be sent there; empty: it can.
    """

    id: str
    shown: str
    fault: str
    _target: "NotifyBase | None"

    def send(self, message: Message) -> bool:
        """Send a message; whether it was taken."""
        taken: list[bool] = []
        sending = threading.Thread(target=lambda: taken.append(self._send(message)), daemon=True)
        sending.start()
        sending.join(SEND_S)
        return taken == [True]

    def _send(self, message: Message) -> bool:
        from apprise import Apprise, NotifyFormat, NotifyType

        try:
            apprise = Apprise()
            apprise.add(self._target)  # type: ignore[arg-type]  # only one without a fault is sent
            return bool(
                apprise.notify(
                    message.body,
                    title=message.title,
                    notify_type=NotifyType.WARNING if message.is_bad else NotifyType.SUCCESS,
                    body_format=NotifyFormat.TEXT,
                )
            )
        except Exception:  # of any of its hundred services, with the address in it
            return False


def split_addresses(text: str) -> list[str]:
    """The addresses of a setting: between them a comma, or a line's end. Lines from # on say none.

    A comma within an address is part of it.
    """
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    return [part.strip(" \t\r\n,") for part in _BETWEEN.split("\n".join(lines).strip()) if part]


def read_addresses(text: str) -> list[Address]:
    """The addresses of the setting, also those that are wrong; the same one counts once."""
    given = list(dict.fromkeys(part for part in split_addresses(text) if part))
    if given:
        _silence()
    return [_read(part, number) for number, part in enumerate(given, start=1)]


def _read(given: str, number: int) -> Address:
    from apprise import Apprise

    scheme = _SCHEME.match(given)
    shown = f"address {number}" + (f" ({scheme[1].lower()}://…)" if scheme else "")
    try:
        target = Apprise.instantiate(given, suppress_exceptions=True)
    except Exception:  # its text may hold the address
        target = None
    fault = "" if target is not None else "is none that Apprise can use"
    if target is not None and scheme:
        shown = f"address {number} ({scheme[1].lower()}://{_host(target)})"
    digest = hashlib.sha256(b"triptych" + given.encode()).hexdigest()[:12]
    return Address(digest, shown, fault, target)


def _host(target: "NotifyBase") -> str:
    token = target.template_tokens.get("host")
    host = str(getattr(target, "host", None) or "")
    is_public = token is not None and not token.get("private")
    return host if is_public and _MACHINE.fullmatch(host) else "…"


def _silence() -> None:
    """Apprise's own lines name addresses, also wrong ones, as they were given."""
    for name in ("apprise", "urllib3"):
        logger = logging.getLogger(name)
        logger.handlers[:] = [logging.NullHandler()]
        logger.propagate = False
        logger.setLevel(logging.CRITICAL + 10)
