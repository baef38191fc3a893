"""Addresses of files on other machines: which are read, and that none holds a secret.

A source's address is kept in manifests, databases, reports and Prefect's parameters, and stands in
messages. So one with a password or a signature in it is refused: these have settings of their own,
and are never kept.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tasks.sentiment.errors import SourceError

WEB = ("https", "http")
BUCKETS = ("s3",)
_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*)://")
_DATABASES = ("sqlite", "postgres", "mysql", "mariadb", "oracle", "mssql", "snowflake", "duckdb")
_USER = re.compile(r"[^/?#]*@")
_BUCKET_QUERY = re.compile(r"\?[\w.%-]+=")  # elsewhere a question mark belongs to a pattern
# A query is kept if all of its names and values are plain: format=csv, gid=0, from=2026-11-01.
_SECRET_NAME = re.compile(
    r"sig|sign|token|key|secret|pass|pwd|auth|cred|session|policy|code|hash|jwt|sas\b|^pin$|^s[vepr]$",
    re.IGNORECASE,
)
_PLAIN_WORD = re.compile(r"monkey|assign|design", re.IGNORECASE)  # hold one of these by chance
_NAME_CHARACTERS = 24
_PLAIN_VALUE = re.compile(
    r"[A-Za-z_ ]{0,24}|[0-9.,:/_ -]{0,24}|[A-Za-z0-9._-]{1,12}"
    r"|[a-z]{1,12}-[12][0-9]{3}-[01][0-9](?:-[0-3][0-9])?"  # reviews-2026-11
)


@dataclass(frozen=True)
class Access:
    """What opens a web address and is no part of it.

    Attributes:
        authorization: value of the header Authorization.
        query: what is added to the address behind `?`.
        host: the only one that gets these: whoever names the address does not choose who does.
    """

    authorization: str | None = field(default=None, repr=False)
    query: str | None = field(default=None, repr=False)
    host: str | None = None


def scheme_of(reference: str) -> str | None:
    """The scheme of an address in lower case; None: it is none, or a file here is called so."""
    found = _SCHEME.match(reference)
    if found is None:
        return None
    try:
        if Path(reference).exists():
            return None
    except (OSError, ValueError):  # too long for a name
        pass
    return found[1].lower()


def after_scheme(address: str) -> str:
    """An address without its scheme and the space around it."""
    return address.strip().partition("://")[2]


def refuse_secrets(reference: str) -> None:
    """Refuse an address that holds a password or a signature, as far as one can tell. What may be
    one is not repeated.

    Raises: SourceError: says where it belongs.
    """
    scheme = scheme_of(reference)
    if scheme not in (*WEB, *BUCKETS):
        return
    rest = after_scheme(reference)
    if _USER.match(rest):
        raise SourceError(
            f"the {scheme}:// address holds a user or a password, and a source's address is kept"
            f" in results and logs: leave it away, and {_way_out(scheme)}"
        )
    if scheme in BUCKETS:
        if _BUCKET_QUERY.search(rest):
            raise SourceError(
                f"the {scheme}:// address has a query, which may hold a signature and would be"
                f" kept in results and logs: leave it away, and {_way_out(scheme)}"
            )
        return
    if "#" in rest:
        raise SourceError(f"the {scheme}:// address has a part behind #, which no server sees")
    query = rest.partition("?")[2]
    if query and not all(_is_plain(part) for part in query.split("&")):
        raise SourceError(
            f"the {scheme}:// address has a query that looks like a signature or a key, and would"
            f" be kept in results and logs: {_instead(scheme)}"
        )


def refuse_others(reference: str) -> None:
    """Refuse an address of a kind that is not read. It may hold a password, so that only its
    scheme is repeated.

    Raises: SourceError: names its kind and the way out.
    """
    scheme = scheme_of(reference)
    if scheme is None or scheme in (*WEB, *BUCKETS):
        return
    if scheme == "file":
        advice = "give the path alone, without file://"
    elif scheme.startswith(_DATABASES):
        advice = (
            "put it into TRIPTYCH_SOURCE_DATABASE_URL, and give the query as the source: SELECT …"
        )
    else:
        known = ", ".join(f"{name}://" for name in (*WEB, *BUCKETS))
        advice = (
            f"read are {known}: copy the file to this machine first, and name the source with"
            " --source-name if the copy is called otherwise each night"
        )
    raise SourceError(f"the source is a {scheme}:// address; {advice}")


def refuse_other_host(host: str, access: Access) -> None:
    """Raises: SourceError: what opens an address would be sent to a host that it is not for."""
    if not (access.authorization or access.query):
        return
    if not access.host:
        raise SourceError(
            "TRIPTYCH_SOURCE_AUTHORIZATION and TRIPTYCH_SOURCE_QUERY are sent to one host only:"
            " name it in TRIPTYCH_SOURCE_HOST"
        )
    if host.lower() != access.host.strip().lower():
        raise SourceError(
            f"TRIPTYCH_SOURCE_AUTHORIZATION and TRIPTYCH_SOURCE_QUERY are not sent to {host}, as"
            " TRIPTYCH_SOURCE_HOST names another host: change it, or unset all three"
        )


def file_name(address: str) -> str:
    """The last part of a web address's path, or its host."""
    parts = urlsplit(address.strip())
    return unquote(parts.path.rstrip("/").rpartition("/")[2]) or str(parts.hostname)


def _is_plain(part: str) -> bool:
    name, equals, value = unquote(part).partition("=")
    is_value = bool(equals) and bool(_PLAIN_VALUE.fullmatch(value))
    return (
        is_value
        and len(name) <= _NAME_CHARACTERS
        and not _SECRET_NAME.search(_PLAIN_WORD.sub("", name))
    )


def _instead(scheme: str) -> str:
    if scheme == "http":
        return "use https:// and TRIPTYCH_SOURCE_QUERY, or copy the file to this machine first"
    return "leave away what stands behind the question mark, and put it into TRIPTYCH_SOURCE_QUERY"


def _way_out(scheme: str) -> str:
    if scheme in BUCKETS:
        return "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
    return "put what the header Authorization shall be into TRIPTYCH_SOURCE_AUTHORIZATION"
