"""Measurements as files: written beside their report, and found again in the home folder.

Each run of the comparison has a folder of its own, `comparison/YYYYMMDD-HHMMSS` in the home; the
newest of them that is whole counts.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from services.storage.files import write_text
from tasks.comparison.errors import MeasurementsError
from tasks.comparison.measurement import Comparison

FOLDER = "comparison"
FIGURES = "comparison.json"
PAGE = "report.html"


@dataclass(frozen=True)
class Recorded:
    """Measurements, and the file that they were read from."""

    comparison: Comparison
    file: Path

    @property
    def origin(self) -> str:
        """Which measurements, in words."""
        return f"{self.comparison.started_at:%Y-%m-%d %H:%M %Z}, {self.file}"


def run_folder(home: Path, now: datetime) -> Path:
    """The folder of a run that begins now."""
    return home / FOLDER / f"{now:%Y%m%d-%H%M%S}"


def write_figures(folder: Path, comparison: Comparison) -> Path:
    """Put the measurements into a folder; their file. Raises: OSError."""
    file = folder / FIGURES
    write_text(file, comparison.model_dump_json(indent=1) + "\n")
    return file


def read_figures(file: Path) -> Recorded:
    """Read measurements back.

    Raises: MeasurementsError: the file is not there, or holds something else.
    """
    try:
        return Recorded(Comparison.model_validate_json(file.read_bytes()), file)
    except OSError as error:
        raise MeasurementsError(f"{file}: {error.strerror or error}") from error
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(map(str, fault["loc"])) or "it"
        raise MeasurementsError(
            f"{file}: {place}: {fault['msg']}: give a {FIGURES} that triptych compare has written"
        ) from error


def last_figures(home: Path) -> Recorded | None:
    """The newest measurements in a home; None: there are none.

    Raises: MeasurementsError: the newest file is broken.
    """
    found = sorted((home / FOLDER).glob(f"*/{FIGURES}"))
    return read_figures(found[-1]) if found else None
