"""Input files: which ones a reference means, how each is opened, and whether it stayed the same."""

import codecs
import difflib
import glob
import gzip
import io
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from tasks.sentiment.errors import SourceChanged, SourceError
from tasks.sentiment.reading.csv_rows import CsvReader
from tasks.sentiment.reading.json_rows import JsonReader
from tasks.sentiment.reading.parquet_rows import ParquetReader
from tasks.sentiment.reading.raw_rows import RowReader
from tasks.sentiment.text import storable

KINDS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
UNDERSTOOD = f"understood are {', '.join(KINDS)}, each also with .gz"
BROKEN_GZIP = (EOFError, zlib.error, gzip.BadGzipFile)
_MARKS = (  # the longer ones first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*)://")
_DATABASES = ("sqlite", "postgres", "mysql", "mariadb", "oracle", "mssql", "snowflake", "duckdb")


@dataclass(frozen=True, slots=True)
class TextFormat:
    """How text files are written, as far as neither their names nor they themselves say it.

    Attributes:
        encoding: of files without a byte-order mark.
    """

    encoding: str = "utf-8"


UTF8 = TextFormat()


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file as it was when the source was opened.

    Attributes:
        name: path below the folder that was given; the file's name where there are no folders.
        kind: csv, tsv, jsonl or parquet.
        text: how it is written, if it is a text.
        state: size in bytes, time of change in ns, inode.
    """

    path: Path
    name: str
    kind: str
    gzipped: bool
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
        return storable(path.name[: -len(_suffix(path))]), [file]
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
    """The reader for a file; a gzipped Parquet file is unpacked into an unnamed temporary one.

    Raises: SourceError: the header or schema cannot be read, or the encoding is unknown.
    """
    with ExitStack() as stack:
        if file.kind == "parquet":
            content: Path | IO[bytes] = file.path
            if file.gzipped:
                content = stack.enter_context(tempfile.TemporaryFile())
                with gzip.open(file.path) as packed:
                    shutil.copyfileobj(packed, content, 1 << 20)
                content.seek(0)
            parquet = ParquetReader(content, file.name)
            stack.callback(parquet.close)
            yield parquet
            return
        text = stack.enter_context(_open_text(file))
        if file.kind == "jsonl":
            yield JsonReader(text.readline, file.name)
        else:
            delimiter = "\t" if file.kind == "tsv" else ","
            yield CsvReader(text.readline, file.name, delimiter=delimiter)


def _open_text(file: InputFile) -> io.TextIOWrapper:
    if file.gzipped and not file.state[0]:  # which the module takes for an archive of nothing
        raise EOFError("not even the head of an archive")
    open_binary = gzip.open if file.gzipped else Path.open
    binary = cast("IO[bytes]", open_binary(file.path, "rb"))
    encoding = file.text.encoding
    try:
        start = binary.read(4)
        binary.seek(0)
        encoding = next((name for mark, name in _MARKS if start.startswith(mark)), encoding)
        wide = codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))
        # Bytes that are no text become lone surrogates, which the checks of a row reject.
        errors = "surrogatepass" if wide else "surrogateescape"
        newline = "\n" if file.kind == "jsonl" else ""
        return io.TextIOWrapper(binary, encoding, errors, newline)
    except LookupError as error:
        binary.close()
        raise SourceError(f"unknown encoding {encoding!r}: try utf-8 or cp1252") from error
    except BaseException:
        binary.close()
        raise


def _input_file(path: Path, name: str, text: TextFormat) -> InputFile:
    suffix = _suffix(path)
    if not suffix:
        advice = " (one object per line as .jsonl?)" if ".json" in name.lower() else ""
        raise SourceError(f"{name} is of an unknown kind{advice}; {UNDERSTOOD}")
    bare = suffix.removesuffix(".gz")
    return InputFile(path, storable(name), KINDS[bare], suffix != bare, text, _state(path))


def _suffix(path: Path) -> str:
    """The understood ending of a name, `.gz` included and in lower case; "" if there is none."""
    name = path.name.lower()
    endings = (kind + packed for packed in (".gz", "") for kind in KINDS)
    return next((ending for ending in endings if name.endswith(ending) and name != ending), "")


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
