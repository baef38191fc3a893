"""Input files: how each is opened, and whether it stayed the same."""

import io
import shutil
import tempfile
from codecs import lookup
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import IO

from tasks.sentiment.errors import SourceChanged, SourceError
from tasks.sentiment.reading.csv_rows import CsvReader
from tasks.sentiment.reading.json_rows import JsonReader
from tasks.sentiment.reading.parquet_rows import ParquetReader
from tasks.sentiment.reading.raw_rows import RowReader
from tasks.sentiment.reading.recognition.dialect import TextFormat
from tasks.sentiment.reading.recognition.kind import HEAD_BYTES, encoding_of, kind_of
from tasks.sentiment.reading.recognition.packing import SUFFIXES, packing_of, unpack
from tasks.sentiment.reading.recognition.workbook import ExcelReader, is_workbook
from tasks.sentiment.reading.remote.content import RemoteFile, State

OF_CSV_ROWS = ("skip_lines", "columns", "decimal_comma")  # what rows are: of CSV files alone
_COPY = "; if its server says another version each time, copy the file to this machine first"
OPTIONS = ("delimiter", "quote", "escape", *OF_CSV_ROWS, "sheet")


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file as it was when the source was opened.

    Attributes:
        name: path below the folder that was given; the file's name where there are no folders.
        text: how it is written, if it is a text.
        state: size in bytes, time of change in ns, inode; of a remote file what it says of itself.
        partition: columns whose values folders have in their names: `date=2026-11-01/`.
    """

    path: Path | RemoteFile
    name: str
    text: TextFormat
    state: State
    partition: Mapping[str, str | None] = field(default_factory=dict)

    def check_unchanged(self) -> None:
        """Raises: SourceChanged: the file is not what it was when the source was opened."""
        try:
            state = state_of(self.path)
        except OSError as error:
            raise SourceChanged(f"{self.name} is gone since reading began: run again") from error
        if state != self.state:
            advice = "" if isinstance(self.path, Path) else _COPY
            raise SourceChanged(f"{self.name} has changed since reading began: run again{advice}")


@contextmanager
def open_reader(file: InputFile) -> Iterator[RowReader]:
    """The reader for what a file holds, whatever its name; a packed Parquet file is unpacked into
    an unnamed temporary one.

    Raises: SourceError: it holds no table that is read here, the header or schema cannot be read,
        the encoding is unknown, or options of CSV are given for another kind.
    """
    with ExitStack() as stack:
        content: IO[bytes] = stack.enter_context(_open(file.path))
        head = _look(content)
        packing = packing_of(head)
        if not head and PurePath(file.name).suffix.lower() in SUFFIXES:
            raise EOFError("not even the head of an archive")
        if packing == "zip" and is_workbook(content):
            workbook = ExcelReader(content, file.name, file.text.sheet, stack)
            refuse_unused(file.text, file.name, workbook.how)
            yield workbook
            return
        if packing:
            packed, content = content, unpack(content, packing, file.name, stack)
            head = content.read(HEAD_BYTES)
            if inner := packing_of(head):
                raise SourceError(
                    f"{file.name} is packed twice ({inner} in {packing}): unpack it once"
                )
            if content.seekable():
                content.seek(0)
            else:
                packed.seek(0)
                content = unpack(packed, packing, file.name, stack)
        reader = _open_content(file, content, head, packing, stack)
        reader.how += f" in {packing}" if packing else ""
        if not isinstance(reader, CsvReader):
            refuse_unused(file.text, file.name, reader.how)
        yield reader


def refuse_unused(
    text: TextFormat, name: str, how: str, options: Collection[str] = OF_CSV_ROWS
) -> None:
    """Refuse options that say how a file is to be read, for one that is read otherwise.

    Args: options: fields of TextFormat that it has no use for.
    Raises: SourceError: one is given.
    """
    unused = [f"--{field.replace('_', '-')}" for field in options if getattr(text, field)]
    if unused:
        raise SourceError(
            f"{name} is read as {how}, where {' and '.join(unused)} would change nothing:"
            " leave it away"
        )


def _look(binary: IO[bytes]) -> bytes:
    head = binary.read(HEAD_BYTES)
    binary.seek(0)
    return head


def _open_content(
    file: InputFile, content: IO[bytes], head: bytes, packing: str | None, stack: ExitStack
) -> RowReader:
    kind = kind_of(head, file.name, file.text.encoding)
    if kind == "parquet":
        if packing:
            copy = tempfile.TemporaryFile()  # noqa: SIM115 - the stack closes it
            stack.enter_context(copy)
            shutil.copyfileobj(content, copy, 1 << 20)
            copy.seek(0)
            parquet = ParquetReader(copy, file.name)
        else:
            place = file.path if isinstance(file.path, Path) else content
            parquet = ParquetReader(place, file.name)
        stack.callback(parquet.close)
        return parquet
    encoding = encoding_of(head, file.text.encoding)
    wide = lookup(encoding).name.startswith(("utf-16", "utf-32"))
    # Bytes that are no text become lone surrogates, which the checks of a row reject.
    errors = "surrogatepass" if wide else "surrogateescape"
    newline = "\n" if kind == "json" else ""
    text = stack.enter_context(io.TextIOWrapper(content, encoding, errors, newline))
    if kind == "json":
        return JsonReader(text.readline, file.name)
    return CsvReader(text.readline, file.name, file.text)


def _open(path: Path | RemoteFile) -> IO[bytes]:
    return path.open("rb") if isinstance(path, Path) else path.open()


def state_of(path: Path | RemoteFile) -> State:
    """Size in bytes, time of change in ns, inode; of a remote file what it says of itself.

    Raises: OSError: there is no such file. SourceError: its server does not say.
    """
    if isinstance(path, RemoteFile):
        return path.state()
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino
