"""Rules for the values of the contract: each says whether a value is right, and what would be."""

import re
from collections.abc import Sized
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn, Protocol

from edge_detector.errors import SchemaError


class Rule(Protocol):
    """What holds for a value beside its type."""

    def accepts(self, value: Any) -> bool:
        """Whether the value is as it should be."""

    @property
    def right(self) -> str:
        """What would be right, for people."""


@dataclass(frozen=True)
class Range:
    """Numbers between two others, which belong to it."""

    lowest: float
    highest: float

    def accepts(self, value: float) -> bool:
        return self.lowest <= value <= self.highest  # which no NaN is

    @property
    def right(self) -> str:
        return f"{self.lowest:g} to {self.highest:g}"


@dataclass(frozen=True)
class Form:
    """Text of a form; `right` describes it."""

    pattern: str
    right: str

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self.pattern)

    def accepts(self, value: str) -> bool:
        return self._compiled.fullmatch(value) is not None


@dataclass(frozen=True)
class Printable:
    """Text that people can read; lengths in characters."""

    shortest: int
    longest: int

    def accepts(self, value: str) -> bool:
        fits = self.shortest <= len(value) <= self.longest
        return fits and value.isprintable() and value == value.strip()

    @property
    def right(self) -> str:
        return f"{self.shortest} to {self.longest} printable signs without space around them"


@dataclass(frozen=True)
class Entries:
    """An object or a list of so many entries at most."""

    most: int

    def accepts(self, value: Sized) -> bool:
        return len(value) <= self.most

    @property
    def right(self) -> str:
        return f"at most {self.most:,} entries"


def check(field: str, value: object, rule: Rule) -> None:
    """Refuse a value that breaks a rule.

    Raises:
        SchemaError: names the field.
    """
    if not rule.accepts(value):
        refuse(field, value, f"give {rule.right}")


def refuse(field: str, value: object, right: str) -> NoReturn:
    """Say that a field's value is wrong, and what would be right."""
    raise SchemaError(field, f"is {str(value)[:200]!r}: {right}", without_value=right)
