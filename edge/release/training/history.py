"""How a training went: losses and precision over its steps, kept in its state folder."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from services.storage.files import write_text

_EVERY = 20  # steps over which losses are averaged


@dataclass(frozen=True)
class Precision:
    """How good the network was on the validation images after so many steps."""

    step: int
    map_50: float
    map_50_95: float


@dataclass(frozen=True)
class Losses:
    """Of the last `_EVERY` steps, in the mean."""

    step: int
    classes: float
    boxes: float


@dataclass
class History:
    """What was noted, step by step."""

    precisions: list[Precision] = field(default_factory=list)
    losses: list[Losses] = field(default_factory=list)
    _sums: tuple[float, float] = (0.0, 0.0)

    def note_losses(self, step: int, classes: float, boxes: float) -> None:
        """Add the losses of a step."""
        sums = (self._sums[0] + classes, self._sums[1] + boxes)
        if step % _EVERY == 0:
            self.losses.append(Losses(step, sums[0] / _EVERY, sums[1] / _EVERY))
            sums = (0.0, 0.0)
        self._sums = sums

    def write(self, file: Path) -> None:
        """Write it into a file, in place of what was there."""
        content = {
            "looks": [asdict(precision) for precision in self.precisions],
            "losses": [[losses.step, losses.classes, losses.boxes] for losses in self.losses],
        }
        write_text(file, json.dumps(content))


def read_history(file: Path, step: int) -> History:
    """What was noted up to a step; nothing where there is no file."""
    if not file.exists():
        return History()
    content = json.loads(file.read_text())
    precisions = [Precision(**noted) for noted in content["looks"]]
    losses = [Losses(*noted) for noted in content["losses"]]
    return History(
        [precision for precision in precisions if precision.step <= step],
        [noted for noted in losses if noted.step <= step],
    )
