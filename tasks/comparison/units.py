"""Durations, sizes, counts and money: as people write them in a file, and as they read them."""

import math
import re
from typing import Annotated, Any

from pydantic import BeforeValidator

_SECONDS = {
    "ms": 0.001,
    "s": 1.0,
    "min": 60.0,
    "h": 3_600.0,
    "hour": 3_600.0,
    "hours": 3_600.0,
    "day": 86_400.0,
    "days": 86_400.0,
    "week": 604_800.0,
    "weeks": 604_800.0,
}
_BYTES = {"B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9}
_WRITTEN = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+)\s*")
DAY_S = 86_400.0
MONTH_DAYS = 365.25 / 12
MONTH_H = 24 * MONTH_DAYS
MONTH_S = 3_600 * MONTH_H


def _quantity(given: Any, units: dict[str, float], examples: str) -> float | None:
    """A number with its unit; raises ValueError, which says how it is written."""
    if given is None:
        return None
    if isinstance(given, str) and (found := _WRITTEN.fullmatch(given)):
        number, unit = found.groups()
        if unit in units and float(number) > 0:
            return float(number) * units[unit]
    raise ValueError(f"write a number above 0 and its unit, such as {examples}")


def _duration(given: Any) -> float | None:
    return _quantity(given, _SECONDS, "200 ms, 5 s, 10 min, 1 hour or 1 day")


def _size(given: Any) -> float | None:
    return _quantity(given, _BYTES, "200 B, 4 kB or 1.5 MB")


Seconds = Annotated[float, BeforeValidator(_duration)]  # written as 200 ms
Bytes = Annotated[float, BeforeValidator(_size)]  # written as 4 kB


def short(value: float) -> str:
    """Three figures: 12345.6 -> 12,300, 0.012345 -> 0.0123."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "∞"
    digits = 2 - math.floor(math.log10(abs(value)))
    rounded = round(value, digits)
    return f"{rounded:,.0f}" if digits <= 0 else f"{rounded:,.{digits}f}".rstrip("0").rstrip(".")


def span(seconds: float) -> str:
    """0.0042 -> 4.2 ms, 5 -> 5 s, 86400 -> 1 day, 30 days -> 30 days."""
    if seconds < 1:
        return f"{short(seconds * 1e3)} ms"
    for name, names, size in (("day", "days", DAY_S), ("hour", "hours", 3_600.0)):
        if seconds >= size:
            number = short(seconds / size)
            return f"{number} {name if number == '1' else names}"
    return f"{short(seconds / 60)} min" if seconds >= 60 else f"{short(seconds)} s"


def size(count: float) -> str:
    """1500 -> 1.5 kB."""
    for unit, size in reversed(_BYTES.items()):
        if count >= size:
            return f"{short(count / size)} {unit}"
    return f"{short(count)} B"


def money(amount: float, currency: str) -> str:
    """12345.6 -> 12,300 USD; cents where it is little."""
    return f"{short(amount) if amount >= 1 or amount == 0 else f'{amount:.2g}'} {currency}"
