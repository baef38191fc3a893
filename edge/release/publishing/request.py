"""What a publisher asks for, and where things lie."""

from dataclasses import dataclass, field
from pathlib import Path

from edge.release.conversion.inspection import ModelHints
from edge.release.repository.address import open_storage
from edge.release.repository.keys import Keys
from edge.release.repository.repository import Repository
from edge.release.validation.gate import Limits, Wanted

BUNDLED = "bundled"
BUNDLED_FOLDER = Path(__file__).parents[1] / "models" / "triptych-parts"


@dataclass(frozen=True)
class Place:
    """Where releases lie, and the keys that sign them."""

    releases_url: str
    keys: Path

    def open(self) -> Repository:
        """The repository, which may not have been made yet.

        Raises:
            RepositoryError: the address makes no sense.
        """
        return Repository(open_storage(self.releases_url), Keys(self.keys))


@dataclass(frozen=True)
class Request:
    """One publishing. `home` is absolute; None: to be found out, or not wanted."""

    home: Path
    place: Place
    model: str  # a path, or "bundled"
    labels: Path | None = None
    name: str | None = None
    version: str | None = None
    channel: str = "stable"
    share: float = 1.0
    variant: Wanted = "auto"
    hints: ModelHints = field(default_factory=ModelHints)
    input_size: tuple[int, int] | None = None  # height, width
    evaluate_on: Path | None = None
    golden: Path | None = None
    calibrate_on: Path | None = None
    scenes: int = 200  # rendered for the bundled model where there is no evaluate_on
    score_threshold: float | None = None
    overlap: float | None = None  # of non-maximum suppression
    max_detections: int = 100
    limits: Limits = field(default_factory=Limits)
    threads: tuple[int, ...] = (1, 2)
    pythons: tuple[Path, ...] = ()  # beside this one
    seconds: float = 1.5  # of each timing
    for_phones: bool = False
    mediapipe_python: Path | None = None  # that has mediapipe; None: this one
    dry_run: bool = False

    @property
    def is_bundled(self) -> bool:
        return self.model == BUNDLED

    @property
    def path(self) -> Path:
        """Of the model."""
        if self.is_bundled:
            return BUNDLED_FOLDER / "model.keras"
        return Path(self.model).expanduser()
