"""What is to be read, and its rows as a stream: memory does not grow with the input.

A reference is a file of any kind that `recognition` knows, packed or not, here or at an address, a
folder or a glob of these, or a SQL query. A workbook is the exception: its shared strings are held
in memory. What is wrong with a row travels as the row's fault; what is wrong with the whole input
(a missing column, a broken archive, a file that changes under the reader) is an error.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pyarrow as pa

from tasks.sentiment.errors import MissingColumn, SourceAway, SourceError, first_line
from tasks.sentiment.reading.finding.addresses import find_remote
from tasks.sentiment.reading.finding.files import Found, find_files
from tasks.sentiment.reading.input_files import OPTIONS, InputFile, open_reader, refuse_unused
from tasks.sentiment.reading.parquet_rows import ParquetReader, common_type
from tasks.sentiment.reading.query_rows import is_query, open_query, refuse_statement
from tasks.sentiment.reading.raw_rows import RawRow, RowReader
from tasks.sentiment.reading.recognition.dialect import UTF8, TextFormat
from tasks.sentiment.reading.recognition.packing import BROKEN
from tasks.sentiment.reading.remote.address import Access, refuse_others, refuse_secrets, scheme_of


class FileSource:
    """One file or several, read one after another; any number of times."""

    def __init__(self, found: Found) -> None:
        """Args: found: at least one file."""
        self.name, self.files, self.left_out = found.name, found.files, found.remark
        self.copies = found.copies  # files of one name but for how they are packed
        self.read_as: Counter[str] = Counter()  # how many files the last reading read in which way
        self.short_rows = 0  # of the last reading: whole but for cells at their end
        self.unseen: frozenset[str] = frozenset()  # optional columns that no row read so far has

    def fingerprint(self) -> str | None:
        """Digest of names, sizes and times of change, as they were when the source was opened; of
        remote files what their servers say of their versions. None: one says nothing of it."""
        digest = hashlib.sha256()
        for file in self.files:
            size, changed_ns, _ = file.state
            if changed_ns == "":
                return None
            digest.update(f"{file.name}\0{size}\0{changed_ns}\n".encode(errors="surrogateescape"))
        return digest.hexdigest()

    def types(self) -> dict[str, pa.DataType]:
        """Of the columns for whose values all files that have one agree on a type, if all are
        Parquet."""
        found: dict[str, set[pa.DataType]] = {}
        inexact: set[str] = set()
        for file in self.files:
            with _locating(file, [0]), open_reader(file) as reader:
                if not isinstance(reader, ParquetReader):
                    return {}
                types = reader.types
                inexact |= reader.beyond_double()
            by_folder = {name: pa.string() for name in file.partition}
            for name, kind in {**by_folder, **types}.items():
                found.setdefault(name, set()).update(() if kind == pa.null() else (kind,))
        common = {
            name: common_type(kinds, is_exact=name not in inexact) for name, kinds in found.items()
        }
        return {name: kind for name, kind in common.items() if kind is not None}

    def rows(
        self, columns: Sequence[str], optional: Collection[str] = (), text: str | None = None
    ) -> Iterator[RawRow]:
        """All rows of all files; every file is looked at before the first row is given.

        Args:
            optional: those of the columns that a file may lack: there they are None.
            text: the one of the columns that holds texts.
        Raises:
            SourceError: at once if a column is missing from any file, or an optional one from all
                of them, or no file has a use for an option; while reading if a file turns out to
                be broken.
            SourceChanged: while reading, at the latest after the last row.
        """
        strict = [name for name in columns if name not in optional]
        missing: dict[str, list[MissingColumn]] = {name: [] for name in optional}
        rows_differ = False
        useless, kinds = list(OPTIONS), Counter[str]()
        for file in self.files:
            file.check_unchanged()
            with _locating(file, [0]), open_reader(file) as reader:
                reader.require([name for name in strict if name not in file.partition])
                if text is not None and text not in file.partition:
                    reader.refuse_as_text(text)
                for name in optional:
                    if name not in file.partition:
                        missing[name] += _missing(reader, name)
                rows_differ |= reader.rows_differ
                useless = [option for option in useless if option not in reader.options]
                kinds[reader.how] += 1
        name = self.name if len(self.files) > 1 else self.files[0].name
        refuse_unused(self.files[0].text, name, " and ".join(kinds), useless)
        for errors in missing.values():
            if len(errors) == len(self.files) and not rows_differ:
                raise errors[0]
        nowhere = {name for name, errors in missing.items() if len(errors) == len(self.files)}
        self.unseen = frozenset(nowhere)
        return self._rows(columns, optional)

    def _rows(self, columns: Sequence[str], optional: Collection[str]) -> Iterator[RawRow]:
        self.read_as.clear()
        self.short_rows = 0
        for file in self.files:
            file.check_unchanged()
            read = [0]
            with _locating(file, read), open_reader(file) as reader:
                self.read_as[reader.how] += 1
                same = _same_in_all_rows(reader, file, columns, optional)
                rows = _with(same, reader, columns) if same else reader.rows(columns)
                for row in self._looking(rows) if reader.rows_differ and self.unseen else rows:
                    read[0] = row.row_number
                    yield row
                self.short_rows += reader.short_rows
            file.check_unchanged()
        for file in self.files:
            file.check_unchanged()

    def _looking(self, rows: Iterator[RawRow]) -> Iterator[RawRow]:
        """The rows, while it is noted which of the unseen columns they have after all."""
        for row in rows:
            if self.unseen and row.values is not None:
                found = {name for name in self.unseen if row.values[name] is not None}
                self.unseen -= found
            yield row


class QuerySource:
    """The result of a query; it is run anew for every reading."""

    def __init__(self, query: str, query_url: str) -> None:
        """Args: query_url: SQLAlchemy address."""
        self.name = f"query-{hashlib.sha256(query.encode()).hexdigest()[:8]}"
        self.read_as: Counter[str] = Counter()
        self.left_out, self.copies, self.short_rows = "", "", 0
        self._query = query
        self._query_url = query_url
        self.unseen: frozenset[str] = frozenset()

    def fingerprint(self) -> None:
        """None: what the database holds is not known without asking it."""

    def types(self) -> dict[str, pa.DataType]:
        """None: a query's values are carried as text."""
        return {}

    def rows(
        self, columns: Sequence[str], optional: Collection[str] = (), text: str | None = None
    ) -> Iterator[RawRow]:
        """All rows of the result. Of a query, each column is expected: it names them itself.

        Raises: SourceError: a column is missing, or the database refuses.
        """
        rows = self._rows(columns)
        next(rows)
        return rows  # type: ignore[return-value]

    def _rows(self, columns: Sequence[str]) -> Iterator[RawRow | None]:
        with open_query(self._query, self._query_url) as reader:
            reader.require(columns)
            yield None
            yield from reader.rows(columns)


Source = FileSource | QuerySource


def open_source(
    reference: str,
    text: TextFormat = UTF8,
    *,
    query_url: str | None = None,
    access: Access = Access(),  # noqa: B008 - it is frozen
) -> Source:
    """Find out what `reference` means; no row is read yet.

    Args:
        text: how text files are written.
        query_url: database address on which a query is run.
        access: what opens a web address besides itself.
    Raises: SourceError: there is no such input, or it is of a kind that is not understood.
    """
    if not is_query(reference):
        refuse_others(reference)
        refuse_secrets(reference)
        refuse_statement(reference)
        try:
            if scheme_of(reference):
                return FileSource(find_remote(reference, text, access))
            return FileSource(find_files(reference, text))
        except OSError as error:
            raise SourceError(f"{reference} cannot be read: {error.strerror}") from error
        except RuntimeError as error:  # ~ and a user who is not there
            raise SourceError(f"{reference} cannot be read: {error}") from error
    if query_url is None:
        raise SourceError("a query needs the address of the database to run on")
    refuse_unused(text, "the source", "a query", OPTIONS)
    return QuerySource(reference.strip(), query_url)


def _missing(reader: RowReader, column: str) -> list[MissingColumn]:
    """Why there is no such column, if there is none."""
    try:
        reader.require([column])
    except MissingColumn as error:
        return [error]
    return []


def _same_in_all_rows(
    reader: RowReader, file: InputFile, columns: Sequence[str], optional: Collection[str]
) -> dict[str, str | None]:
    """Columns that the file lacks, with the values that its folders have or None."""
    absent = [] if reader.rows_differ else optional
    asked = [name for name in columns if name in file.partition or name in absent]
    return {name: file.partition.get(name) for name in asked if _missing(reader, name)}


def _with(
    same: Mapping[str, str | None], reader: RowReader, columns: Sequence[str]
) -> Iterator[RawRow]:
    """The rows of a file, with the same values in all of them."""
    for row in reader.rows([name for name in columns if name not in same]):
        values = None if row.values is None else {**row.values, **same}
        yield replace(row, values=values)


@contextmanager
def _locating(file: InputFile, read: list[int]) -> Iterator[None]:
    """Turn what goes wrong while reading `file` into an error that says where.

    Args: read: number of the last row that was read, as its only item.
    """
    try:
        yield
    except BROKEN as error:
        file.check_unchanged()
        raise SourceError(
            f"{file.name} breaks off after row {read[0]} ({first_line(error)}): "
            "it is truncated or damaged, nothing was written"
        ) from error
    except UnicodeError as error:
        file.check_unchanged()
        raise SourceError(
            f"{file.name} cannot be decoded after row {read[0]} ({first_line(error)}): "
            "name its encoding, nothing was written"
        ) from error
    except OSError as error:
        raise SourceError(
            f"{file.name} cannot be read after row {read[0]}: {error.strerror or first_line(error)}"
        ) from error
    except SourceAway:  # nor would it say whether it has changed
        raise
    except SourceError:
        file.check_unchanged()
        raise
