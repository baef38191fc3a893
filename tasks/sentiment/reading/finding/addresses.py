"""Which files an address means: one, or in a bucket also a folder with all below it, or a glob."""

import glob
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tasks.sentiment.errors import SourceError
from tasks.sentiment.reading.finding.files import UNDERSTOOD, Found, choose, partition_of, stem
from tasks.sentiment.reading.input_files import InputFile, state_of
from tasks.sentiment.reading.recognition.dialect import TextFormat
from tasks.sentiment.reading.remote.address import WEB, Access, after_scheme, file_name, scheme_of
from tasks.sentiment.reading.remote.bucket import Bucket, Listed
from tasks.sentiment.reading.remote.content import RemoteFile
from tasks.sentiment.reading.remote.web import WebFile
from tasks.sentiment.text import storable

_AT_ONCE = 16  # files whose state is asked for


def find_remote(address: str, text: TextFormat, access: Access) -> Found:
    """The files that an address means, which holds no secret.

    Raises: SourceError: there are none, or they may not be read (SourceAway: for now).
    """
    address = address.strip()
    scheme = scheme_of(address)
    try:
        if scheme in WEB:
            place = RemoteFile(address, WebFile(address, access))
            name = storable(file_name(address))
            return Found(stem(name), [InputFile(place, name, text, state_of(place))])
        return _find_in_bucket(after_scheme(address), text)
    except FileNotFoundError as error:
        raise SourceError(str(error)) from None


def _find_in_bucket(path: str, text: TextFormat) -> Found:
    parts = path.strip("/").split("/")
    if not all(parts) or glob.has_magic(parts[0]):
        raise SourceError("a s3:// address is a bucket and a path: s3://bucket/path")
    is_pattern = glob.has_magic(path)
    plain = next((i for i, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    base, pattern = "/".join(parts[:plain]), "/".join(parts[plain:])
    bucket = Bucket(parts[0])
    listed = bucket.list("/".join(parts)) if is_pattern else None
    if listed is not None:  # it is called so, as it is here
        base, pattern, is_pattern = "/".join(parts), "", False
    else:
        listed = bucket.list(base)
    if listed is None:
        raise SourceError(f"there is nothing at s3://{base}")
    if listed.is_file and not is_pattern:
        file = _input_file(bucket, base, Path(parts[-1]), text)
        return Found(stem(file.name), [file])
    return _found(bucket, base, pattern, listed, text)


def _found(bucket: Bucket, base: str, pattern: str, listed: Listed, text: TextFormat) -> Found:
    below = [path.removeprefix(base).removeprefix("/") for path in listed.files]
    paths = dict(zip(map(Path, below), listed.files, strict=True))
    wanted = _expression(pattern) if pattern else None
    names = sorted(name for name in paths if wanted is None or wanted.fullmatch(name.as_posix()))
    data = choose(names)
    taken = set(data)
    for name in below:  # two such objects would be one file
        if Path(name) in taken and {"", "."} & set(name.split("/")):
            raise SourceError(f"s3://{base}/{name} has an empty part or a dot in it: rename it")
    if not data:
        place = f"s3://{base}"
        none = f"no file matches {place}/{pattern}" if pattern else f"{place} holds no input file"
        raise SourceError(f"{none}; {UNDERSTOOD}")
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        files = list(pool.map(lambda name: _input_file(bucket, paths[name], name, text), data))
    left_out = [storable(name.as_posix()) for name in names if name not in taken]
    return Found(storable(base.rpartition("/")[2]), files, left_out)


def _input_file(bucket: Bucket, path: str, name: Path, text: TextFormat) -> InputFile:
    place = RemoteFile(f"s3://{path}", bucket.file(path))
    shown = storable(name.as_posix())
    return InputFile(place, shown, text, state_of(place), partition_of(name))


def _expression(pattern: str) -> re.Pattern[str]:
    """What a path must be to match: `*` and `?` stay within a folder, `**` is any folders, and a
    part that is hidden matches only a pattern that says so."""
    parts = pattern.split("/")
    spelled = []
    for i, part in enumerate(parts):
        is_last = i == len(parts) - 1
        if part == "**":
            spelled.append(r"(?:[^/.][^/]*/)*" + (r"[^/.][^/]*" if is_last else ""))
        else:
            hidden = "" if part.startswith(".") else r"(?!\.)"
            spelled.append(hidden + _part(part) + ("" if is_last else "/"))
    try:
        return re.compile("".join(spelled))
    except re.error:
        said = f"{pattern} is no pattern: a range in its brackets ends before it begins"
        raise SourceError(said) from None


def _part(part: str) -> str:
    found = re.split(r"(\*+|\?|\[!?\]?[^]]*\])", part)
    return "".join(_sign(piece) for piece in found)


def _sign(piece: str) -> str:
    if piece.startswith("*") and not piece.strip("*"):
        return "[^/]*"
    if piece == "?":
        return "[^/]"
    if piece.startswith("[") and piece.endswith("]") and len(piece) > 2:
        inside = piece[1:-1].replace("\\", r"\\").replace("[", r"\[")
        inside = f"\\{inside}" if inside.startswith("^") else inside
        return f"[{'^/' + inside[1:] if inside.startswith('!') else inside}]"
    return re.escape(piece)
