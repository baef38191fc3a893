"""Parameters that are days: a bare number is none, though a library takes it for seconds."""

import re
from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator

_NUMBER = re.compile(r"\s*[-+]?[0-9][0-9_.]*\s*")


def _no_number(given: Any) -> Any:
    """What was given, unless it is a number, which would be read as seconds since 1970.

    Raises: ValueError: says how a day is written.
    """
    is_number = isinstance(given, int | float) or (
        isinstance(given, str) and _NUMBER.fullmatch(given) is not None
    )
    if is_number:
        raise ValueError(f"{given} is no day: write it as 2026-11-22")
    return given


Day = Annotated[date, BeforeValidator(_no_number)]
