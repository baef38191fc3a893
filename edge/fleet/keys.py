"""Who may deliver telemetry for which device.

One of the server's keys opens every device's folder: for a gateway that collects for many. A
device is given a key of its own, derived from the first of the server's: stolen from one, it
opens that one's folder alone. Nothing is stored for either.
"""

import hashlib
import hmac
from collections.abc import Sequence

_PURPOSE = b"triptych telemetry "


def device_key(key: str, device: str) -> str:
    """The key of one device, as long as that key of the server is valid."""
    return hmac.new(key.encode(), _PURPOSE + device.encode(), hashlib.sha256).hexdigest()[:40]


def is_allowed(given: str, device: str, keys: Sequence[str]) -> bool:
    """Whether a key opens a device's folder; wrong ones take as long to tell as right ones."""
    presented = given.encode("utf-8", "surrogateescape")
    found = False
    for key in keys:
        found |= hmac.compare_digest(presented, key.encode())
        found |= hmac.compare_digest(presented, device_key(key, device).encode())
    return found
