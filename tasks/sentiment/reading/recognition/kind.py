"""What a file holds, as its first bytes say: its name only decides where they leave it open.

What is no table of reviews is refused by what it is.
"""

import codecs
import re
from pathlib import PurePath

from tasks.sentiment.errors import SourceError
from tasks.sentiment.reading.recognition.packing import SUFFIXES

HEAD_BYTES = 8_192
_JSON_NAMES = (".json", ".jsonl", ".ndjson")
_MARKS = (  # the longer ones first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_EXPORT = "export its table as CSV, JSON Lines or Parquet"
_OTHERS = (  # those whose beginning may be that of a text must also hold a byte that no text holds
    (b"SQLite format 3\0", "a SQLite database: put its address into TRIPTYCH_SOURCE_DATABASE_URL"
     " and give a query as the source: SELECT …"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office file (Excel 97?): save it as CSV UTF-8"),
    (b"ORC", f"an ORC file: {_EXPORT}"),
    (b"Obj\x01", f"an Avro file: {_EXPORT}"),
    (b"ARROW1", f"an Arrow or Feather file: {_EXPORT}"),
    (b"\x89HDF", f"an HDF5 file: {_EXPORT}"),
    (b"\x93NUMPY", f"a NumPy array: {_EXPORT}"),
    (b"$FL2", f"an SPSS file: {_EXPORT}"),
    (b"<stata_dta", f"a Stata file: {_EXPORT}"),
    (b"%PDF", "a PDF document, and holds no table"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"Rar!", "a RAR archive: unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive: unpack it first"),
)  # fmt: skip
_WIDE = {"x000": "utf-32-le", "000x": "utf-32-be", "x0x0": "utf-16-le", "0x0x": "utf-16-be"}
_LFS = b"version https://git-lfs.github.com"
_CONTROL = re.compile(rb"[\0-\x08\x0e-\x1a\x7f]")
_PICKLE = re.compile(rb"\x80[\x02-\x05](?:\x95.{8}|[c}\]q(])", re.DOTALL)
_WEB_PAGE = re.compile(r"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_JSON = re.compile(r"""\{\s*(?:["'}]|$)|\[\s*(?:[{\["'\]]|$)""")
_JSON_LINE = re.compile(r"^\s*[{\[]", re.MULTILINE)
_DELIMITED = re.compile(r"[^\r\n]*[,;\t|][^\r\n]*[\r\n]")


def encoding_of(head: bytes, encoding: str) -> str:
    """The encoding that a byte-order mark names, or else the given one."""
    return next((name for mark, name in _MARKS if head.startswith(mark)), encoding)


def kind_of(head: bytes, file: str, encoding: str) -> str:
    """csv, json or parquet.

    Args:
        head: the first bytes of the unpacked content.
        file: its name, which decides of an empty file and of text that may be either.
        encoding: of text without a byte-order mark.
    Raises: SourceError: it is something else, and what would be right; an unknown encoding.
    """
    suffix = PurePath(plain_name(file)).suffix
    is_page = head.lstrip().startswith(b"<")
    is_called_so = suffix == ".parquet" and not is_page
    if is_called_so or (head.startswith(b"PAR1") and _CONTROL.search(head)):
        return "parquet"
    _refuse_others(head, file)
    text = _decode(head, encoding_of(head, encoding), file).lstrip("\ufeff \t\r\n")
    _refuse_wide(head, file, encoding)
    if _WEB_PAGE.match(text):
        raise SourceError(f"{file} is a web page (HTML) and no table: was it a login page?")
    if text.startswith("<?xml"):
        raise SourceError(f"{file} is XML: {_EXPORT}")
    if suffix == ".parquet":
        return "parquet"  # and a damaged one
    if _JSON.match(text):
        return "json"
    if suffix in _JSON_NAMES:
        is_table = not _JSON_LINE.search(text) and _DELIMITED.match(text)
        return "csv" if is_table else "json"
    return "csv"


def plain_name(file: str) -> str:
    """A name in lower case, without the endings of packed files."""
    name = file.lower()
    for packed in SUFFIXES:
        name = name.removesuffix(packed)
    return name


def _refuse_others(head: bytes, file: str) -> None:
    found = next((what for start, what in _OTHERS if head.startswith(start)), None)
    if found and _CONTROL.search(head):
        raise SourceError(f"{file} is {found}")
    if head.startswith(_LFS):
        raise SourceError(f"{file} is a pointer of Git LFS and not the file itself: git lfs pull")
    if head[257:262] == b"ustar":
        raise SourceError(f"{file} is a tar archive: unpack it and give the folder, or one file")
    if _PICKLE.match(head):
        raise SourceError(f"{file} is a Python pickle, which is never opened: {_EXPORT}")


def _decode(head: bytes, encoding: str, file: str) -> str:
    try:
        return head.decode(encoding, "replace")
    except LookupError as error:
        raise SourceError(f"unknown encoding {encoding!r}: try utf-8 or cp1252") from error


def _refuse_wide(head: bytes, file: str, encoding: str) -> None:
    """Refuse text of two or four bytes a character that is read as if it had one."""
    if encoding_of(head, "") or codecs.lookup(encoding).name.startswith(("utf-16", "utf-32")):
        return
    usable = head[: len(head) // 4 * 4]
    if not usable:
        return
    nuls = [usable[place::4].count(0) * 4 / len(usable) for place in range(4)]
    said = _WIDE.get("".join("0" if share > 0.5 else "x" for share in nuls))
    if said:
        raise SourceError(
            f"{file} holds NUL bytes where {said[:6].upper()} without a mark does:"
            f" give --encoding {said}"
        )
