"""What is known of the last look at the repository: for `status`, and to say since when.

Losing it costs no model, so it is read leniently: a damaged journal is an empty one.
"""

import json
import logging
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from edge_detector.contract.schema import read_json, read_value
from edge_detector.errors import SchemaError
from edge_detector.system.atomic import replace_file

FILE = "updates.json"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Journal:
    """Times are UTC, in ISO 8601.

    refreshed_at: when the repository was last reached and trusted. tried_at: the last attempt.
    error: why it failed; None if it did not. found: what it found, for people.
    """

    releases: str | None = None
    channel: str | None = None
    refreshed_at: str | None = None
    tried_at: str | None = None
    error: str | None = None
    found: str | None = None

    def refreshed(self) -> datetime | None:
        """When the repository was last reached and trusted."""
        return parse_time(self.refreshed_at)

    @classmethod
    def read(cls, home: Path) -> "Journal":
        """The journal of a home; empty where there is none."""
        try:
            raw_journal = read_json((home / FILE).read_bytes(), "the file")
            return read_value(raw_journal, cls, "the journal", lenient=True)
        except (OSError, SchemaError) as error:
            logger.debug("%s: %s", home / FILE, error)
            return cls()

    def write(self, home: Path) -> None:
        """Replace the journal; a full or read-only disk is no reason to stop."""
        try:
            home.mkdir(parents=True, exist_ok=True)
            replace_file(home / FILE, (json.dumps(asdict(self), indent=2) + "\n").encode())
        except OSError as error:
            logger.warning("cannot write %s: %s", home / FILE, error.strerror)


def parse_time(text: str | None) -> datetime | None:
    """A time as we write it; None for anything else."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
