"""What a model's classes are called, where that was read, and in which form."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from edge_detector.contract.manifest import HOLE

from edge.release.errors import ModelFileError

_BACKGROUND = re.compile(r"[\W_]*(background|none_of_the_above|bg)[\W_]*", re.IGNORECASE)


@dataclass(frozen=True)
class Labels:
    """Names of classes, class 0 first, where they stand and how they were read; "???" is a hole."""

    names: tuple[str, ...]
    origin: str
    form: str

    def describe(self) -> str:
        """In a line, for the publisher to see what was taken."""
        known = [name for name in self.names if name != HOLE]
        holes = len(self.names) - len(known)
        count = f"{len(known)} name{'s' * (len(known) > 1)}"
        if holes:
            count += f" and {holes} hole{'s' * (holes > 1)}"
        ends = known[0] if len(known) == 1 else f"{known[0]} to {known[-1]}"
        return f"{self.origin} ({self.form}): {count}, {ends}"


def is_background(name: str) -> bool:
    """Whether a name stands for what is no object."""
    return name == HOLE or _BACKGROUND.fullmatch(name) is not None


def number_labels(
    pairs: Sequence[tuple[int, str]], origin: str, form: str, first: int | None = None
) -> Labels:
    """Labels by their numbers.

    Args:
        pairs: number and name.
        origin: what the file is called in errors.
        form: how the pairs were read.
        first: the number of class 0; by default 1 where that is the lowest, else 0.

    Raises:
        ModelFileError: two have one number, or a number is too high.
    """
    by_number = dict(pairs)
    if not pairs:
        return Labels((), origin, form)
    if len(by_number) < len(pairs):
        doubled = next(n for n, _ in pairs if [number for number, _ in pairs].count(n) > 1)
        raise ModelFileError(f"{origin} gives the number {doubled} twice; each class has its own")
    if max(by_number) > 10 * len(pairs) + 1_000:
        raise ModelFileError(f"{origin} gives a class the number {max(by_number)}: too high")
    lowest = min(by_number)
    first = (1 if lowest == 1 else 0) if first is None else first
    names = [by_number.get(number) or HOLE for number in range(first, max(by_number) + 1)]
    if first == 0 and lowest == 0 and names[0] == HOLE:
        names = names[1:]
    return Labels(tuple(names), origin, f"{form}, numbered from {lowest}")
