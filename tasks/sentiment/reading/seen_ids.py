"""What a run has seen so far, on disk: memory does not grow with the number of rows."""

import sqlite3
from hashlib import blake2b
from pathlib import Path
from typing import Self

_CACHE_KIB = 8 * 1024
_SCHEMA = """
CREATE TABLE places (id BLOB PRIMARY KEY, file INTEGER NOT NULL, row_number INTEGER NOT NULL)
    WITHOUT ROWID;
CREATE TABLE occurrences (text BLOB PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE spellings (id BLOB PRIMARY KEY, spelling TEXT NOT NULL) WITHOUT ROWID;
"""
_CLAIM = "INSERT INTO places VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_COUNT = (
    "INSERT INTO occurrences VALUES (?, 1) ON CONFLICT DO UPDATE SET number = number + 1 "
    "RETURNING number"
)


class SeenIds:
    """Which ids were seen where, how often each text, and which ids the results spell in
    another way; for one reading by one thread.

    Ids and texts are known by 16 bytes of their digest: among 2**32 of them two are mistaken for
    one another with a probability of 3e-20. The file is scratch: it is made anew on entering,
    removed on leaving, and nothing is promised about it after a crash.
    """

    def __init__(self, folder: Path) -> None:
        """Args: folder: for the scratch file; made if it does not exist."""
        self._path = folder / "ledger.sqlite"
        self._files: dict[str, int] = {}
        self._has_spellings = False

    def __enter__(self) -> Self:
        """Raises: OSError, sqlite3.Error: the folder cannot be written."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        self._connection = sqlite3.connect(self._path, isolation_level=None)
        self._connection.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE;"
            f"PRAGMA cache_size = -{_CACHE_KIB}; {_SCHEMA} BEGIN;"
        )
        self._execute = self._connection.cursor().execute
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the scratch file."""
        self._connection.close()
        self._path.unlink(missing_ok=True)

    def claim(self, review_id: str, file: str, row_number: int) -> tuple[str, int] | None:
        """Note where an id stands; the file and row where it stood before, or None if it is new."""
        key = _digest(review_id)
        number = self._files.setdefault(file, len(self._files))
        if self._execute(_CLAIM, (key, number, row_number)).rowcount:
            return None
        query = "SELECT file, row_number FROM places WHERE id = ?"
        first_file, first_row = self._execute(query, (key,)).fetchone()
        return list(self._files)[first_file], first_row

    def count(self, text_digest: str) -> int:
        """How often this text has been counted, this time included."""
        number: int = self._execute(_COUNT, (_digest(text_digest),)).fetchone()[0]
        return number

    def keep_spelling(self, review_id: str, spelling: str) -> None:
        """Note how the results spell an id; of several ways the first one noted."""
        self._has_spellings = True
        self._execute(
            "INSERT INTO spellings VALUES (?, ?) ON CONFLICT DO NOTHING",
            (_digest(review_id), spelling),
        )

    def spelling(self, review_id: str) -> str:
        """How the results spell an id."""
        if not self._has_spellings:
            return review_id
        query = "SELECT spelling FROM spellings WHERE id = ?"
        found = self._execute(query, (_digest(review_id),)).fetchone()
        return review_id if found is None else str(found[0])


def _digest(value: str) -> bytes:
    return blake2b(value.encode(), digest_size=16).digest()
