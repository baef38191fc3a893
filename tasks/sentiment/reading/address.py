"""Addresses given where a file is asked for: refused by their kind, with what to do instead.

An address may hold a password or a signature, so that only its scheme is repeated.
"""

import re
from pathlib import Path

from tasks.sentiment.errors import SourceError

_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*)://")
_DATABASES = ("sqlite", "postgres", "mysql", "mariadb", "oracle", "mssql", "snowflake", "duckdb")


def refuse_address(reference: str) -> None:
    """Refuse an address, unless a file of this machine is called so.

    Raises: SourceError: names its kind and the way out.
    """
    found = _SCHEME.match(reference)
    if found is None or Path(reference).exists():
        return
    scheme = found[1].lower()
    if scheme == "file":
        advice = "give the path alone, without file://"
    elif scheme.startswith(_DATABASES):
        advice = (
            "put it into TRIPTYCH_SOURCE_DATABASE_URL, and give the query as the source: SELECT …"
        )
    else:
        advice = (
            "addresses are not read: copy the file to this machine first, and name the source with"
            " --source-name if the copy is called otherwise each night"
        )
    raise SourceError(f"the source is a {scheme}:// address; {advice}")
