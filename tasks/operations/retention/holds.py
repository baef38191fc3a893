"""What nobody may delete: the file `legal-hold.txt` in the home folder, one thing a line.

night 2026-11-22 shop        # of one source; without a name, of all
model fraud_detector:20261122-010203-000001
release parts 1.2.0
transaction 4711             # or the id of an answer
digest 9f86d081…             # of a model, of its data, of a night's input, of a batch's body
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

FILE = "legal-hold.txt"
_COMMENT = re.compile(r"(^|\s)#.*")
_FORMS = {
    "night": re.compile(r"(\d{4}-\d{2}-\d{2})(?:\s+(.+))?"),
    "model": re.compile(r"(fraud_detector:[a-z0-9][a-z0-9._-]*)"),
    "release": re.compile(r"(\S+)\s+(\d+\.\d+\.\d+)"),
    "transaction": re.compile(r"(.+)"),
    "digest": re.compile(r"([0-9a-f]{12,64})"),
}
_EXAMPLES = {
    "night": "night 2026-11-22 shop",
    "model": "model fraud_detector:VERSION",
    "release": "release parts 1.2.0",
    "transaction": "transaction 4711",
    "digest": "digest and 12 to 64 hexadecimal digits",
}


class RetentionError(ValueError):  # which no task tries again
    """Nothing more is deleted; the message says why, and what would be right."""


@dataclass(frozen=True)
class Holds:
    """What the file names, by kind."""

    named: frozenset[tuple[str, ...]] = frozenset()

    def has_night(self, night: date, source: str) -> bool:
        """Whether a night of a source is held."""
        return bool(self.named & {("night", str(night)), ("night", str(night), source)})

    def has_model(self, tag: str) -> bool:
        """Whether a fraud model is held."""
        return ("model", tag) in self.named

    def has_digest_in(self, texts: Iterable[str]) -> bool:
        """Whether a held digest stands in one of these texts."""
        digests = self.of("digest")
        return bool(digests) and any(digest in text for text in texts for digest in digests)

    def of(self, kind: str) -> list[str]:
        """The names of one kind."""
        return sorted(name[1] for name in self.named if name[0] == kind)


def read_holds(home: Path) -> Holds:
    """What is held; nothing where there is no file.

    Raises: RetentionError: the file cannot be read, or a line of it is wrong: names it.
    """
    file = home / FILE
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return Holds()
    except (OSError, ValueError) as error:
        raise RetentionError(f"{file} cannot be read, and nothing is deleted: {error}") from error
    named = set()
    for number, line in enumerate(lines, 1):
        if text := _COMMENT.sub("", line).strip():
            named.add(_read_line(text, f"{file}, line {number}"))
    return Holds(frozenset(named))


def _read_line(text: str, where: str) -> tuple[str, ...]:
    kind, _, name = text.partition(" ")
    form = _FORMS.get(kind)
    if form is None:
        raise RetentionError(f"{where}: {kind!r} is no kind; use {', '.join(_FORMS)}")
    found = form.fullmatch(name.strip())
    if found is not None and kind == "night":
        try:
            date.fromisoformat(found[1])
        except ValueError:
            found = None
    if found is None:
        raise RetentionError(f"{where}: write it as {_EXAMPLES[kind]}")
    return (kind, *(part for part in found.groups() if part))
