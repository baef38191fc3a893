"""Addresses as they may be rest."""

import re

_QUERY = re.compile(r"[?#].*", re.DOTALL)


def hide_secrets(address: str) -> str:
    """An address without user, password and query, any of which may be a secret.

    A password may hold any character, as people do not always write / as %2F. So all before the
    last @ is hidden; and where it cannot be told whether that one belongs to a query, so is all
    that follows.
    """
    scheme, slashes, rest = address.partition("://")
    if not slashes:
        scheme, rest = "", address
    before, at, rest = rest.rpartition("@")
    if "?" in before or "#" in before:
        return f"{scheme}{slashes}…"
    return f"{scheme}{slashes}{at and '…@'}{_QUERY.sub('?…', rest)}"
