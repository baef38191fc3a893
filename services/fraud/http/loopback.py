"""Names and addresses of this machine itself, as they stand in Host and Origin.

Without keys, whoever reaches the service is trusted, and a web page that the user looks at reaches
it too: its name may be made to point here (DNS rebinding). The name that it then asks for is still
its own, so only names that are always this machine are answered.
"""

import re
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

_AUTHORITY = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[^\[\]:@/?#\s]+)(:[0-9]*)?")


@lru_cache(maxsize=256)
def is_own_authority(value: bytes) -> bool:
    """Whether a Host header names this machine, with any port."""
    found = _AUTHORITY.fullmatch(value.decode("latin-1").strip(" \t"))
    if found is None:
        return False
    name = found["name"].lower().removesuffix(".")
    return name == "localhost" or is_own_address(name.strip("[]"))


@lru_cache(maxsize=256)
def is_own_origin(value: bytes) -> bool:
    """Whether a page of this machine sends it.

    Extensions of a browser have origins of other kinds, which no web page can have.
    """
    scheme, separator, authority = value.partition(b"://")
    if not separator:
        return False  # null: a page in a frame without rights, or from a file
    if scheme.lower() not in (b"http", b"https"):
        return True
    return is_own_authority(authority)


@lru_cache(maxsize=256)
def is_own_address(text: str) -> bool:
    """Whether an address is of the loopback network, in IPv4, IPv6, or IPv4 within IPv6."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback
