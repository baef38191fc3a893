"""What a home saw last of the shared registry, in a file, for when the database is away.

It counts for the database alone that it was seen in: another one may have another champion.
"""

import json
from contextlib import suppress
from pathlib import Path

from services.storage.files import write_text


class LastSeen:
    """The file of a home, for one database."""

    def __init__(self, home: Path, address: str) -> None:
        """address: of the database, without a password."""
        self._file = home / "fraud" / "registry_last_seen.json"
        self._address = address
        self._noted: str | None = None

    def note(self, text: str) -> None:
        """Keep what was seen, if it is another text than before."""
        if text == self._noted:
            return
        # A disk that is full costs what a restart without the database would find, and no answer.
        with suppress(OSError):
            write_text(self._file, json.dumps({"database": self._address, "registry": text}) + "\n")
        self._noted = text

    def read(self) -> str | None:
        """What was seen last, by whichever process; None: nothing of this database."""
        try:
            seen = json.loads(self._file.read_bytes())
            if seen["database"] != self._address:
                return None
            return str(seen["registry"])
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None
