"""Input files: which ones a reference means, how each is opened, and whether it stayed the same."""

import difflib
import glob
import io
import re
import shutil
import tempfile
from codecs import lookup
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tasks.sentiment.errors import SourceChanged, SourceError
from tasks.sentiment.reading.csv_rows import CsvReader
from tasks.sentiment.reading.json_rows import JsonReader
from tasks.sentiment.reading.parquet_rows import ParquetReader
from tasks.sentiment.reading.raw_rows import RowReader
from tasks.sentiment.reading.recognition.dialect import TextFormat
from tasks.sentiment.reading.recognition.kind import HEAD_BYTES, encoding_of, kind_of
from tasks.sentiment.reading.recognition.packing import SUFFIXES, packing_of, unpack
from tasks.sentiment.text import storable

UNDERSTOOD = (
    "understood are CSV, TSV, JSON, JSON Lines and Parquet, each also packed (.gz, .zip, …)"
)
_KINDS = (".csv", ".tsv", ".tab", ".txt", ".json", ".jsonl", ".ndjson", ".parquet")
_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*)://")
_DATABASES = ("sqlite", "postgres", "mysql", "mariadb", "oracle", "mssql", "snowflake", "duckdb")


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file as it was when the source was opened.

    Attributes:
        name: path below the folder that was given; the file's name where there are no folders.
        text: how it is written, if it is a text.
        state: size in bytes, time of change in ns, inode.
    """

    path: Path
    name: str
    text: TextFormat
    state: tuple[int, int, int]

    def check_unchanged(self) -> None:
        """Raises: SourceChanged: the file is not what it was when the source was opened."""
        try:
            state = _state(self.path)
        except OSError as error:
            raise SourceChanged(f"{self.name} is gone since reading began: run again") from error
        if state != self.state:
            raise SourceChanged(f"{self.name} has changed since reading began: run again")


def refuse_address(reference: str) -> None:
    """Refuse an address, unless a file of this machine is called so. It may hold a password or a
    signature, so that only its scheme is repeated.

    Raises: SourceError: names its kind and the way out.
    """
    found = _SCHEME.match(reference)
    if found is None or Path(reference).exists():
        return
    scheme = found[1].lower()
    if scheme == "file":
        advice = "give the path alone, without file://"
    elif scheme.startswith(_DATABASES):
        advice = (
            "put it into TRIPTYCH_SOURCE_DATABASE_URL, and give the query as the source: SELECT …"
        )
    else:
        advice = (
            "addresses are not read: copy the file to this machine first, and name the source with"
            " --source-name if the copy is called otherwise each night"
        )
    raise SourceError(f"the source is a {scheme}:// address; {advice}")


def find_files(reference: str, text: TextFormat) -> tuple[str, list[InputFile]]:
    """The files meant by a path, a folder or a glob, sorted by name, and the source's name.

    Files and folders whose name begins with `.` or `_` are left out of folders and globs.

    Raises: SourceError: there are none, or one is of a kind that is not understood.
    """
    path = Path(reference).expanduser()
    if path.is_file():
        file = _input_file(path, path.name, text)
        return storable(_stem(path.name)), [file]
    if path.is_dir():
        base, found, none = path, list(path.iterdir()), f"the folder {path} holds no input file"
    elif glob.has_magic(reference):
        base, none = _base(path), f"no input file matches {reference}"
        matches = glob.glob(str(path), recursive=True)  # noqa: PTH207 - Path.glob refuses absolute
        found = [Path(match) for match in set(matches)]
    else:
        raise SourceError(_not_there(path))
    names = [(file, file.relative_to(base)) for file in sorted(found) if file.is_file()]
    files = [_input_file(file, name.as_posix(), text) for file, name in names if _is_data(name)]
    if not files:
        raise SourceError(f"{none}; {UNDERSTOOD}")
    return storable(base.resolve().name) or "root", files


@contextmanager
def open_reader(file: InputFile) -> Iterator[RowReader]:
    """The reader for what a file holds, whatever its name; a packed Parquet file is unpacked into
    an unnamed temporary one.

    Raises: SourceError: it holds no table that is read here, the header or schema cannot be read,
        or the encoding is unknown.
    """
    with ExitStack() as stack:
        content: IO[bytes] = stack.enter_context(file.path.open("rb"))
        head = _look(content)
        packing = packing_of(head)
        if not head and file.path.suffix.lower() in SUFFIXES:
            raise EOFError("not even the head of an archive")
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
        yield reader


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
            parquet = ParquetReader(file.path, file.name)
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


def _input_file(path: Path, name: str, text: TextFormat) -> InputFile:
    return InputFile(path, storable(name), text, _state(path))


def _stem(name: str) -> str:
    """A file's name without the endings that say how it is packed and what it holds."""
    for endings in (SUFFIXES, _KINDS):
        ending = next((end for end in endings if name.lower().endswith(end)), "")
        if len(ending) < len(name):
            name = name.removesuffix(name[len(name) - len(ending) :]) if ending else name
    return name


def _state(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino


def _is_data(name: Path) -> bool:
    return not any(part.startswith((".", "_")) for part in name.parts)


def _base(pattern: Path) -> Path:
    """The folder above the first part of `pattern` that is a pattern."""
    plain = Path(pattern.anchor)
    for part in pattern.relative_to(pattern.anchor).parts:
        if glob.has_magic(part):
            break
        plain /= part
    return plain


def _not_there(path: Path) -> str:
    if not path.parent.is_dir():
        return f"{path} does not exist: there is no folder {path.parent}"
    siblings = [entry.name for entry in path.parent.iterdir() if _is_data(Path(entry.name))]
    near = difflib.get_close_matches(path.name, siblings, n=3)
    if near:
        return f"{path} does not exist; is it {' or '.join(near)}?"
    return f"{path} does not exist; a source is a file, a folder, a glob or a query, {UNDERSTOOD}"
