"""What the files of nights say: roll-backs that were interrupted, and what is damaged."""

from collections.abc import Iterator
from pathlib import Path

from tasks.operations.status.state import Interrupted
from tasks.sentiment.errors import PublicationError, RunConflict
from tasks.sentiment.run.taken_back import Copy, copy_folders, read_copy
from tasks.sentiment.run.taking_back import Nights

WAYS = {"leaving": "taken back", "returning": "put back"}


def read_interrupted(home: Path) -> Iterator[Interrupted]:
    """The roll-backs that nobody is at work on any more."""
    for folder in copy_folders(home):
        try:
            copy = read_copy(folder)
        except PublicationError:  # among the damages
            continue
        if copy is not None and copy.state in WAYS and not _is_at_work(home, copy):
            yield Interrupted(copy.source, str(copy.run_date), WAYS[copy.state])


def _is_at_work(home: Path, copy: Copy) -> bool:
    try:
        with Nights(home, copy.source, url="").alone():
            return False
    except RunConflict:
        return True
    except OSError:  # not ours to lock
        return False
