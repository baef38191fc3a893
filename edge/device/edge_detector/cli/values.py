"""Readers of options' values, from the text of a command line or a value of TOML.

Each returns what the option means, or raises a `ValueError` that says what would be right.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Reader = Callable[[Any], Any]


def read_text(raw: Any) -> str:
    if not isinstance(raw, str) or not raw.strip():
        raise ValueError("give a text")
    return raw


def read_source(raw: Any) -> str:
    """A camera's number may be a number in TOML."""
    return str(raw) if type(raw) is int and raw >= 0 else read_text(raw)


def read_path(raw: Any) -> Path:
    return Path(read_text(raw)).expanduser()


def read_switch(raw: Any) -> bool:
    if not isinstance(raw, bool):
        raise ValueError("give true or false")
    return raw


def whole(lowest: int, highest: int) -> Reader:
    """A reader of whole numbers."""

    def read(raw: Any) -> int:
        try:
            number = int(raw) if isinstance(raw, str | int) and not isinstance(raw, bool) else None
        except ValueError:
            number = None
        if number is None or not lowest <= number <= highest:
            raise ValueError(f"give a whole number from {lowest} to {highest}")
        return number

    return read


def number(lowest: float, highest: float) -> Reader:
    """A reader of numbers."""

    def read(raw: Any) -> float:
        try:
            value = math.nan if isinstance(raw, bool) else float(raw)
        except (TypeError, ValueError):
            value = math.nan
        if not lowest <= value <= highest:
            raise ValueError(f"give a number from {lowest:g} to {highest:g}")
        return value

    return read


def choice(*values: str) -> Reader:
    """A reader of one of a few words."""

    def read(raw: Any) -> str:
        if raw not in values:
            raise ValueError(f"give one of {', '.join(values)}")
        return str(raw)

    return read


def read_labels(raw: Any) -> frozenset[str]:
    """From "bolt,nut", or a list."""
    parts = raw.split(",") if isinstance(raw, str) else raw
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise ValueError("give labels with commas between them: bolt,nut")
    labels = frozenset(part.strip() for part in parts) - {""}
    if not labels:
        raise ValueError("give at least one label")
    return labels


def read_scores(raw: Any) -> Mapping[str, float]:
    """From ["bolt=0.4", "nut=0.6"], or a table."""
    read_score = number(0, 1)
    pairs = raw.items() if isinstance(raw, dict) else map(_split_pair, _listed(raw))
    return {label: read_score(score) for label, score in pairs}


def _listed(raw: Any) -> list[Any]:
    return raw if isinstance(raw, list) else [raw]


def _split_pair(raw: Any) -> tuple[str, str]:
    label, equals, score = str(raw).rpartition("=")
    if not equals or not label.strip():
        raise ValueError("give a label and its score: bolt=0.4")
    return label.strip(), score
