"""Where a source's rows come from, so that two inputs of one name are not taken for one source.

A name made from a file's, a folder's or a query's own may be that of another input as well. The
first one to be stored under a name has it; another one is refused with the way out. A name that
was given, `--source-name`, joins whatever has it.
"""

import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from tasks.sentiment.errors import SourceError
from tasks.sentiment.reading.query_rows import is_query
from tasks.sentiment.reading.remote.address import scheme_of
from tasks.sentiment.text import storable, text_digest

# A feed's folder often has the day in its path. What differs in it alone is one feed. Six digits
# may be a merchant's number: they are a month where the folder says so.
_YEAR = r"(?<![0-9])(?:19|20)[0-9]{2}"
_MONTH, _DAY = r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12][0-9]|3[01])"
_DAY_IN_PATH = re.compile(
    rf"{_YEAR}([-_./]){_MONTH}(?:\1{_DAY})?(?![0-9])"
    rf"|{_YEAR}{_MONTH}{_DAY}(?![0-9])"
    rf"|(?<=month=){_YEAR}{_MONTH}(?![0-9])"
    r"|(?<![0-9])[0-3][0-9][-_.][0-3][0-9][-_.](?:19|20)[0-9]{2}(?![0-9])"
)
# As earlier versions had it: six digits anywhere were a month, so `/in/202611` has its key by this.
_DAY_IN_PATH_BEFORE = re.compile(rf"{_DAY_IN_PATH.pattern}|{_YEAR}{_MONTH}(?![0-9])")
_TELLING_OPTIONS = ("host", "port", "service", "options")  # of a database's address
SHOWN_CHARACTERS = 200


@dataclass(frozen=True)
class Origin:
    """A place that rows come from.

    Attributes:
        place: an absolute path or pattern, or a query's digest and its database.
        is_named: the source's name was given, and not made from the place.
    """

    place: str
    is_named: bool = False

    @property
    def key(self) -> str:
        """Equal for places of one feed: those that differ in a date alone."""
        return _key(self.place, _DAY_IN_PATH)


def _key(place: str, dates: re.Pattern[str]) -> str:
    return text_digest(dates.sub("DATE", place))[:32]


def place_of(reference: str, query_url: str, results_url: str) -> str:
    """Where the rows of a source lie. Args: as of `place_of_query`."""
    if is_query(reference):
        return place_of_query(reference.strip(), query_url, results_url)
    return place_of_files(reference)


def place_of_files(reference: str) -> str:
    """The absolute path of a file, folder or pattern, or its address. Links stay: `latest.csv` is a
    place."""
    if scheme_of(reference):
        return storable(reference.strip().rstrip("/"))
    return storable(os.path.abspath(Path(reference).expanduser()))  # noqa: PTH100 - also folds `..`


def place_of_query(query: str, query_url: str, results_url: str) -> str:
    """Query and database. The results' own database is the same one wherever it is moved to."""
    asked = text_digest(query)[:16]
    if query_url == results_url:
        return f"query {asked} on the database of the results"
    return f"query {asked} on {_database(query_url)}"


def _database(url: str) -> str:
    try:
        address = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):  # opening it will say so
        return "a database"
    if address.get_backend_name() == "sqlite":
        return f"sqlite {place_of_files(address.database or '')}"
    options = {name: address.query[name] for name in _TELLING_OPTIONS if name in address.query}
    bare = sa.URL.create(
        address.get_backend_name(),
        host=address.host,
        port=address.port,
        database=address.database,
        query=options,
    )
    return bare.render_as_string()


def refuse_taken_name(name: str, origin: Origin, known: Collection[tuple[str, str]]) -> None:
    """Refuse an input whose name belongs to another one.

    Args: known: key and place of each origin of that name so far.
    Raises: SourceError: says which input has the name, and how to go on.
    """
    if origin.is_named or not known or origin.key in (key for key, _ in known):
        return
    if any(_is_same_place(place, origin.place) for _, place in known):
        return
    if any(_was_same_feed(key, place, origin.place) for key, place in known):
        return
    _, first = next(iter(known))
    raise SourceError(
        f"the results have a source {name} already, from {first[:SHOWN_CHARACTERS]}: for other"
        f" reviews give --source-name and another name; if these are the same ones, in a new"
        f" place, give --source-name {name}"
    )


def refuse_taken_date(name: str, run_date: str, origin: Origin, published: str | None) -> None:
    """Refuse to replace the results of a run date by those of another file of the same feed.

    Args: published: the place whose results the run date has, where that is known.
    Raises: SourceError: says which input the run date has, and how to go on.
    """
    if origin.is_named or published is None or _is_same_place(published, origin.place):
        return
    raise SourceError(
        f"the run date {run_date} of {name} is published from {published[:SHOWN_CHARACTERS]}: give"
        f" --run-date for another one, or --source-name {name} to replace it"
    )


def _was_same_feed(key: str, known: str, place: str) -> bool:
    """Whether an earlier version kept the key of a place, and took another place for its feed.

    A key that is not the one of its place today is such a key: homes of today have none.
    """
    return key != _key(known, _DAY_IN_PATH) and key == _key(place, _DAY_IN_PATH_BEFORE)


def _is_same_place(known: str, place: str) -> bool:
    """Whether two places are one, or two paths lead to one file, as through a linked folder."""
    if known == place:
        return True
    if not (os.path.isabs(known) and os.path.isabs(place)):  # noqa: PTH117 - queries have none
        return False
    try:
        return Path(known).samefile(place)
    except (OSError, ValueError):
        return False
