"""Rows of a SQL query, streamed: the database keeps the result, one page of it is held here."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, CursorResult, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from tasks.sentiment.errors import SourceError, first_line
from tasks.sentiment.reading.raw_rows import NarrowFloat, RawRow, RowReader, refuse_repeated
from tasks.sentiment.reading.read_only import explain, open_read_only

FILE = "query"
_ROWS_PER_PAGE = 1_000
_POSTGRES_FLOAT4 = 700  # the type's number; SQLite describes columns by their name alone
_BEFORE = r"(?:\s|--[^\n]*\n|/\*.*?\*/)*"  # spaces and comments
_QUERY = re.compile(
    rf"{_BEFORE}(?:\({_BEFORE})*(?:select|with|values|table)(?=[\s(*'\"]|--|/\*)",
    re.IGNORECASE | re.DOTALL,
)
_STATEMENT = re.compile(
    rf"{_BEFORE}(insert|update|delete|merge|replace|create|drop|alter|truncate|grant|call|exec"
    r"|execute|begin|explain|pragma|show|describe|copy|attach|vacuum|set)\s+\w",
    re.IGNORECASE | re.DOTALL,
)
_FILE = re.compile(r"\.(?:[ct]sv|txt|jsonl?|ndjson|parquet|gz|bz2|xz|zst|zip)\b", re.IGNORECASE)


def is_query(reference: str) -> bool:
    """Whether `reference` is meant as a query: behind comments and brackets it begins with SELECT,
    WITH, VALUES or TABLE, and no file is called so."""
    return _QUERY.match(reference) is not None and not _exists(reference)


def refuse_statement(reference: str) -> None:
    """Refuse what is SQL and no query, and no file either.

    Raises: SourceError: says what a query begins with.
    """
    found = _STATEMENT.match(reference)
    is_comment = reference.lstrip().startswith("--")
    if not (found or is_comment) or _FILE.search(reference) or _exists(reference):
        return
    what = f"the statement {found[1].upper()}" if found else "a comment without a query"
    raise SourceError(
        f"the source is {what}: a query begins with SELECT, WITH, VALUES or TABLE, behind any"
        " comments"
    )


def _exists(reference: str) -> bool:
    try:
        return Path(reference).exists()
    except (OSError, ValueError):  # longer than any name, or with a NUL
        return False


def _as_text(cell: object) -> object:
    """Bytes as the text that they are, by the rule that binary columns of Parquet are read by."""
    if isinstance(cell, bytes | bytearray | memoryview):
        return bytes(cell).decode("utf-8", "surrogateescape")
    return cell


class QueryReader(RowReader):
    """Rows of one result."""

    place = "the query"
    how = "query"

    def __init__(self, result: CursorResult[Any]) -> None:
        """Raises: SourceError: a column is in the result twice."""
        self._result = result
        described = result.cursor.description if result.cursor is not None else ()
        self._narrow = [i for i, column in enumerate(described) if column[1] == _POSTGRES_FLOAT4]
        self.columns = list(result.keys())
        refuse_repeated(self.columns, self.place)

    def rows(self, columns: Sequence[str]) -> Iterator[RawRow]:
        """All rows, as the database's driver gives them; binary columns are read as UTF-8 text."""
        names = list(dict.fromkeys(columns))
        places = [self.columns.index(name) for name in names]
        narrow = [name for name, place in zip(names, places, strict=True) if place in self._narrow]
        for row_number, cells in enumerate(self._result, start=1):
            values = {
                name: _as_text(cells[place]) for name, place in zip(names, places, strict=True)
            }
            for name in narrow:
                cell = values[name]
                values[name] = NarrowFloat(cell) if isinstance(cell, float) else cell
            yield RawRow(row_number, FILE, values, None)


@contextmanager
def open_query(query: str, query_url: str) -> Iterator[QueryReader]:
    """Run `query` and keep its connection for as long as the rows are read.

    The database is opened so that it refuses to write, whatever the query says.

    Raises: SourceError: the address is wrong, or the database refuses the query, now or while
        rows are read.
    """
    try:
        with open_read_only(make_url(query_url), query) as connection, _explaining(connection):
            streaming = connection.execution_options(
                stream_results=True,
                yield_per=_ROWS_PER_PAGE,
                no_parameters=True,  # the driver leaves the query's own % and : alone
            )
            with streaming.exec_driver_sql(query) as result:
                yield QueryReader(result)
    except DBAPIError as error:
        raise SourceError(
            f"the database refuses the query: {first_line(error.orig)} (asked was"
            f" {_bare(query_url)}; TRIPTYCH_SOURCE_DATABASE_URL names another)"
        ) from error
    except (SQLAlchemyError, ImportError) as error:
        raise SourceError(f"the query cannot be run: {first_line(error)}") from error


def _bare(query_url: str) -> str:
    """An address without what may be secret: user, password and options."""
    return make_url(query_url).set(username=None, password=None, query={}).render_as_string()


@contextmanager
def _explaining(connection: Connection) -> Iterator[None]:
    """Say why a connection that only reads was too little, where that is known."""
    try:
        yield
    except DBAPIError as error:
        if reason := explain(connection, error):
            raise SourceError(reason) from error
        raise
