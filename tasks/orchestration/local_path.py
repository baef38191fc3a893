"""Parameters that name a file or folder of this machine: an address is refused by its kind."""

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*)://")


def _no_address(given: Any) -> Any:
    """What was given, unless it is an address, which may hold a password: it is not repeated.

    Raises: ValueError: names the scheme and the way out.
    """
    found = _SCHEME.match(given) if isinstance(given, str) else None
    if found is None or Path(str(given)).exists():
        return given
    scheme = found[1].lower()
    if scheme == "file":
        raise ValueError("give the path alone, without file://")
    raise ValueError(f"{scheme}:// addresses are not read: copy it to this machine first")


LocalPath = Annotated[Path, BeforeValidator(_no_address)]
LocalName = Annotated[str, AfterValidator(_no_address)]  # a path, or a name of ours
