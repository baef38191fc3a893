"""Days and moments as parameters: a bare number is none, though pydantic takes it for seconds."""

import re
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator

_NUMBER = re.compile(r"\s*[-+]?[0-9][0-9_.]*\s*")


def _refuse_number(given: Any, what: str) -> Any:
    """What was given, unless it is a number, which would be read as seconds since 1970.

    Raises: ValueError: says how it is written.
    """
    is_number = isinstance(given, int | float) or (
        isinstance(given, str) and _NUMBER.fullmatch(given) is not None
    )
    if is_number:
        raise ValueError(f"{given} is no {what}")
    return given


def _day(given: Any) -> Any:
    return _refuse_number(given, "day: write it as 2026-11-22")


def _moment(given: Any) -> Any:
    return _refuse_number(given, "moment: write it as 2026-11-22T08:00")


Day = Annotated[date, BeforeValidator(_day)]
Moment = Annotated[datetime, BeforeValidator(_moment)]
