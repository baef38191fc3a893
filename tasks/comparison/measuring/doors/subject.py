"""A model that is compared, with what differs from one model to another: its rows and doors."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

PARITY_ROWS = 1_000  # the first ones, which all ways answer

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Job:
    """A command that scores a night.

    read: its scores afterwards, in the order of the rows it was given; raises `MeasuringError` if
    they are not all there.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    read: Callable[[], Scores]


class Night(Protocol):
    """The door for a whole night."""

    def job(self, rows: Sequence[int]) -> Job:
        """Write the input of a night with these rows, and say what scores it."""


@dataclass(frozen=True)
class Told:
    """What is said of a model's ways, in words: the doors, and what each does without a network."""

    doors: Mapping[str, str]
    without_network: Mapping[str, str]
    notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class Subject(Protocol):
    """A model that is compared.

    Attributes:
        rows: how many there are to draw from.
        bound_ms: that the 99th percentile of an answer over HTTP is to keep.
        tolerance: the largest difference of two scores of one row that is allowed.
        service, path: the service as BentoML names it, and the path that has no memory.
        home: of the processes that are measured; nothing of the user's lies there.
    """

    name: str
    version: str
    digest: str
    rows: int
    bound_ms: float
    tolerance: float
    service: str
    path: str
    home: Path
    told: Told

    def environment(self) -> Mapping[str, str]:
        """Settings of the service beside its home."""

    def body(self, row: int) -> bytes:
        """A request for the score of a row."""

    def score(self, answer: Mapping[str, Any]) -> float:
        """The score in an answer of the service. Raises: KeyError, TypeError: there is none."""

    def label(self, scores: Scores) -> NDArray[np.bool_]:
        """What is decided from scores."""

    def night(self) -> AbstractContextManager[Night]:
        """What nights need, such as a scheduler, for as long as they are measured."""

    def device_files(self) -> tuple[Path, Path]:
        """What a device has: the folder of its model, and the file with the rows it will see."""
