"""Which files a reference means: a path, a folder with all below it, or a glob.

Files and folders whose name begins with `.` or `_` are left out of folders and globs, as are files
of another kind than tables, what Excel writes beside an open workbook (`~$`), and links that lead
nowhere. Of the folders that a glob matches, those named as tables are gone into, as Spark writes
them, and all where it matches nothing else. A folder that cannot be read is an error: all that is
asked for is scored, or nothing. A folder named `column=value`, as Hive and Spark write them, gives
every row below it that column.
"""

import difflib
import errno
import glob
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from urllib.parse import unquote

from services.reporting.figures import counted
from tasks.sentiment.errors import SourceError
from tasks.sentiment.reading.input_files import InputFile, state_of
from tasks.sentiment.reading.recognition.dialect import TextFormat
from tasks.sentiment.reading.recognition.packing import SUFFIXES
from tasks.sentiment.text import storable

UNDERSTOOD = (
    "understood are CSV, TSV, JSON, JSON Lines and Parquet, each also packed (.gz, .zip, …)"
)
_TABLES = (".csv", ".tsv", ".tab", ".json", ".jsonl", ".ndjson", ".parquet", ".xlsx")
_PERHAPS = (".txt", "")  # tables where a folder has no file that is named as one
_KINDS = (*_TABLES, ".txt")
_PARTITION = re.compile(r"([^=]+)=(.*)")
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
_SHOWN = 5
_NOTHING_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


@dataclass(frozen=True, slots=True)
class Found:
    """The files that a reference means, sorted by name.

    Attributes:
        name: of the source.
        left_out: names of the files beside them that were not taken for data.
    """

    name: str
    files: Sequence[InputFile]
    left_out: Sequence[str] = ()

    @property
    def remark(self) -> str:
        """How many files were left out, and which, for the summary; "" if none was."""
        if not self.left_out:
            return ""
        count, names = len(self.left_out), ", ".join(self.left_out[:_SHOWN])
        more = ", …" if count > _SHOWN else ""
        return f"{counted(count, 'file')} left out ({names}{more})"

    @property
    def copies(self) -> str:
        """Files of one name but for how they are packed, "" if there are none."""
        alike: dict[str, list[str]] = {}
        for file in self.files:
            name = PurePath(file.name)
            plain = name.with_suffix("") if name.suffix.lower() in SUFFIXES else name
            alike.setdefault(str(plain), []).append(file.name)
        found = [" and ".join(names) for names in alike.values() if len(names) > 1]
        return ", ".join(found[:_SHOWN]) + (", …" if len(found) > _SHOWN else "")


def find_files(reference: str, text: TextFormat) -> Found:
    """The files meant by a path, a folder or a glob.

    Raises: SourceError: there are none.
    """
    path = Path(reference).expanduser()
    if path.is_file():
        file = InputFile(path, storable(path.name), text, state_of(path))
        return Found(storable(stem(path.name)), [file])
    if path.is_dir():
        base, found, none = path, set(_walk(path, path)), f"the folder {path} holds no input file"
    elif glob.has_magic(reference):
        base, none = _base(path), f"no input file matches {reference}"
        _refuse_unreadable(path, base)
        found = _with_folders(set(_matches(str(path))), base)
    else:
        raise SourceError(_not_there(path))
    modes = {place.relative_to(base): _mode(place, base) for place in sorted(found)}
    names = [name for name, mode in modes.items() if stat.S_ISREG(mode)]
    data = choose(names)
    if not data:
        raise SourceError(f"{none}; {UNDERSTOOD}")
    files = [
        InputFile(
            base / name, storable(name.as_posix()), text, state_of(base / name), partition_of(name)
        )
        for name in data
    ]
    taken = set(data)
    left_out = [storable(name.as_posix()) for name in names if name not in taken]
    left_out += _describe_others(modes, base)
    return Found(storable(base.resolve().name) or "root", files, left_out)


def _describe_others(modes: Mapping[Path, int], base: Path) -> Iterator[str]:
    """What else was found and is not read: links, and folders of which no file was found."""
    above = {
        folder for name, mode in modes.items() if not stat.S_ISDIR(mode) for folder in name.parents
    }
    for name, mode in modes.items():
        if stat.S_ISREG(mode) or name in above or not _is_seen(name):
            continue
        told = storable(name.as_posix())
        if stat.S_ISDIR(mode):
            told += ": a linked folder" if (base / name).is_symlink() else ": a folder"
        yield told if mode else f"{told}: a link that leads nowhere"


def _with_folders(found: set[Path], base: Path) -> set[Path]:
    """What a pattern matches, and the files in those of its folders that are meant.

    Raises: SourceError: a folder that is not hidden cannot be read.
    """
    folders = {place for place in found if stat.S_ISDIR(_mode(place, base))}
    meant = {place for place in folders if folders == found or _ending(place) in _TABLES}
    return found.union(*(_walk(folder, base) for folder in meant))


def _walk(folder: Path, base: Path) -> Iterator[Path]:
    """All files below a folder, and the linked folders, which are not gone into.

    Raises: SourceError: a folder that is not hidden cannot be read.
    """

    def refuse(error: OSError) -> None:
        _refuse(Path(error.filename), base, error)

    for place, folders, files in os.walk(folder, onerror=refuse):
        yield from (Path(place, name) for name in files)
        yield from (link for name in folders if (link := Path(place, name)).is_symlink())


def _matches(pattern: str) -> Iterator[Path]:
    return map(Path, glob.iglob(pattern, recursive=True))  # noqa: PTH207 - Path.glob refuses absolute


def _refuse_unreadable(pattern: Path, base: Path) -> None:
    """Look into each folder in which the pattern looks: `glob` passes over those that it cannot.

    Raises: SourceError: one that is not hidden cannot be read.
    """
    parts = pattern.relative_to(base).parts
    parts += ("*",) if parts[-1] == "**" else ()
    for i, part in enumerate(parts):
        above = os.path.join(base, *parts[:i], "")  # noqa: PTH118 - its last slash means folders
        for place in _matches(above) if i else [base]:
            try:
                os.scandir(place).close() if glob.has_magic(part) else (place / part).lstat()
            except OSError as error:
                _refuse(place, base, error)


def _mode(place: Path, base: Path) -> int:
    """What is at a place; 0: nothing is there, or it is hidden and its folder does not say.

    Raises: SourceError: it is not hidden, and its folder does not say.
    """
    try:
        return place.stat().st_mode
    except OSError as error:
        _refuse(place, base, error)
        return 0


def _refuse(place: Path, base: Path, error: OSError) -> None:
    """Raises: SourceError: unless nothing is there, or it would be left out anyway."""
    if error.errno not in _NOTHING_THERE and _is_seen(place.relative_to(base)):
        raise SourceError(f"{place} cannot be read: {error.strerror}") from error


def choose(names: Sequence[Path]) -> list[Path]:
    """Those that are data: named as tables or, if none is, texts and files without an ending."""
    seen = [name for name in names if _is_seen(name)]
    tables = [name for name in seen if _ending(name) in _TABLES]
    return tables or [name for name in seen if _ending(name) in _PERHAPS]


def _ending(name: Path) -> str:
    """In lower case, and without that of a packing."""
    plain = name.with_suffix("") if name.suffix.lower() in SUFFIXES else name
    if plain.suffix.lower() in _KINDS or plain == name:
        return plain.suffix.lower()
    return _TABLES[0]  # an archive that does not say what it holds


def partition_of(name: Path) -> dict[str, str | None]:
    """The columns that the folders of a path have in their names."""
    found = (_PARTITION.fullmatch(folder) for folder in name.parts[:-1])
    values = {unquote(one[1]): unquote(one[2]) for one in found if one}
    return {column: None if value == _NO_VALUE else value for column, value in values.items()}


def stem(name: str) -> str:
    """A file's name without the endings that say how it is packed and what it holds."""
    for endings in (SUFFIXES, _KINDS):
        ending = next((end for end in endings if name.lower().endswith(end)), "")
        if len(ending) < len(name):
            name = name.removesuffix(name[len(name) - len(ending) :]) if ending else name
    return name


def _is_seen(name: Path) -> bool:
    return not any(part.startswith((".", "_", "~$")) for part in name.parts)


def _base(pattern: Path) -> Path:
    """The folder above the first part of `pattern` that is a pattern."""
    plain = Path(pattern.anchor)
    for part in pattern.relative_to(pattern.anchor).parts:
        if glob.has_magic(part):
            break
        plain /= part
    return plain


def _not_there(path: Path) -> str:
    if path.is_symlink():
        return f"{path} is a link to {path.readlink()}, where nothing is"
    if not path.parent.is_dir():
        return f"{path} does not exist: there is no folder {path.parent}"
    siblings = [entry.name for entry in path.parent.iterdir() if _is_seen(Path(entry.name))]
    near = difflib.get_close_matches(path.name, siblings, n=3)
    if near:
        return f"{path} does not exist; is it {' or '.join(near)}?"
    return f"{path} does not exist; a source is a file, a folder, a glob or a query, {UNDERSTOOD}"
