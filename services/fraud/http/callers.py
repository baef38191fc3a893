"""Who may ask: without keys whoever is on this machine, with keys whoever presents one."""

import hmac
from collections.abc import Mapping, MutableMapping
from hashlib import sha256
from typing import Any

from services.fraud.http.loopback import is_own_address, is_own_authority, is_own_origin
from services.fraud.http.problem import CLOSE, HttpProblem

_ELSEWHERE = (
    "this service answers callers on its own machine alone until TRIPTYCH_API_KEYS names keys"
    " for it"
)
_OTHER_NAME = (
    "until TRIPTYCH_API_KEYS names keys, this service answers by the names localhost, 127.0.0.1"
    " and [::1] alone; the Host header has another"
)
_OTHER_PAGE = (
    "until TRIPTYCH_API_KEYS names keys, this service takes nothing from web pages of other"
    " machines; the Origin header names one"
)


class Callers:
    """Lets callers in, or refuses them."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        """keys: that open; none: only this machine is answered."""
        self._digests = [sha256(key.encode()).digest() for key in keys]

    def check(
        self, scope: MutableMapping[str, Any], asked: Mapping[bytes, bytes], *, is_open: bool
    ) -> None:
        """Let a request pass.

        asked: its headers. is_open: needs no key where others do.

        Raises: HttpProblem: it may not.
        """
        if not self._digests:
            _check_own_machine(scope, asked)
        elif not is_open:
            self._check_key(asked)

    def _check_key(self, asked: Mapping[bytes, bytes]) -> None:
        given = asked.get(b"x-api-key") or _bearer(asked.get(b"authorization", b""))
        digest = sha256(given).digest()
        # All are compared, so that the time tells nothing about which one is close.
        if not sum(hmac.compare_digest(digest, known) for known in self._digests):
            raise HttpProblem(
                401,
                "no_valid_key",
                "give a valid key: Authorization: Bearer KEY, or X-API-Key: KEY",
                headers=((b"www-authenticate", b"Bearer"),),
            )


def _check_own_machine(scope: MutableMapping[str, Any], asked: Mapping[bytes, bytes]) -> None:
    """Refuse whoever comes from elsewhere, or by a name or from a page that is elsewhere's."""
    server = scope.get("server")
    if server is None:  # a socket in the file system
        return
    if not is_own_address(str(server[0])):
        raise HttpProblem(403, "no_keys_set", _ELSEWHERE)
    headers = scope["headers"]
    host = asked.get(b"host")
    is_repeated = len(asked) < len(headers) and sum(name == b"host" for name, _ in headers) > 1
    if is_repeated or (host is None and scope.get("http_version", "1.1") >= "1.1"):
        raise HttpProblem(400, "invalid_host", "give one Host header", headers=CLOSE)
    if host is not None and not is_own_authority(host):
        raise HttpProblem(403, "no_keys_set", _OTHER_NAME)
    if b"origin" in asked and scope["method"] == "POST":
        for name, value in headers:
            if name == b"origin" and not is_own_origin(value):
                raise HttpProblem(403, "no_keys_set", _OTHER_PAGE)


def _bearer(authorization: bytes) -> bytes:
    scheme, _, key = authorization.partition(b" ")
    return key.strip() if scheme.lower() == b"bearer" else b""
