"""What the variants of a model are measured with and against."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from edge.release.datasets.pictures import Image
from edge.release.validation.evaluate import Evaluation
from edge.release.validation.source import Answering


@dataclass(frozen=True, eq=False)
class Bench:
    """What variants are measured with and against.

    source: the network they were made of, set to `CURVE_THRESHOLD`; None for a ready file.
    pythons: interpreters in which `edge_detector` is installed, each with a runtime of its own.
    """

    golden: Sequence[Image]
    source: Answering | None = None
    source_evaluation: Evaluation | None = None
    threads: tuple[int, ...] = (1, 2)
    pythons: tuple[Path, ...] = field(default_factory=lambda: (Path(sys.executable),))
    seconds: float = 1.5  # for each timing, all rounds together

    def beside(self, pythons: Sequence[Path]) -> "Bench":
        """With more interpreters after the one that runs this."""
        return replace(self, pythons=(*self.pythons, *pythons))
