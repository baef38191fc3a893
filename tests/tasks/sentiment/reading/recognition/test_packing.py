"""Packed files: whatever they are called, their content is read, and one layer is unpacked."""

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable

import pyarrow as pa
import pytest

from tasks.sentiment.errors import SourceError
from tasks.sentiment.reading.source import open_source
from tests.tasks.sentiment.inputs import COLUMNS, ROWS, cells, read, write_bytes, write_csv


def zstd(content: bytes) -> bytes:
    return pa.compress(content, "zstd", asbytes=True)  # type: ignore[no-any-return]


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstd,
    "zip": lambda content: zipped({"reviews.csv": content}),
}


@pytest.fixture
def table(tmp_path):
    return write_csv(tmp_path / "plain").read_bytes()


@pytest.mark.parametrize("packed", PACKERS)
@pytest.mark.parametrize("name", ["night.csv.{}", "night.{}", "night.csv", "night"])
def test_packed_file_is_read_by_its_content(tmp_path, table, packed, name):
    """The name may say how it is packed, or not, or be wrong."""
    file = tmp_path / name.format(packed)
    file.write_bytes(PACKERS[packed](table))

    assert cells(read(file)) == ROWS
    assert open_source(str(file)).name == "night"


@pytest.mark.parametrize("packed", PACKERS)
def test_plain_file_with_a_packed_name_is_plain(tmp_path, table, packed):
    """A download may have been unpacked on its way."""
    (tmp_path / f"a.csv.{packed}").write_bytes(table)

    assert cells(read(tmp_path / f"a.csv.{packed}")) == ROWS


@pytest.mark.parametrize("packed", ["gz", "bz2", "xz", "zst"])
def test_archives_one_behind_the_other_are_one_text(tmp_path, table, packed):
    """Programs that pack in parallel, and days that are appended, write such files."""
    pack = PACKERS[packed]
    (tmp_path / "a").write_bytes(pack(table) + pack(b"a5,more\r\n"))

    assert cells(read(tmp_path / "a")) == [*ROWS, ("a5", "more")]


@pytest.mark.parametrize("packed", ["gz", "bz2", "xz", "zst"])
def test_truncated_archive_is_refused(tmp_path, packed):
    """The rows before the break are no source."""
    lines = "".join(f"{number},{number * 7919 % 10_007}\n" for number in range(60_000))
    content = PACKERS[packed](f"id,text\n{lines}".encode())
    (tmp_path / "a.csv").write_bytes(content[: len(content) // 2])

    with pytest.raises(SourceError, match=r"a\.csv (breaks off|cannot be read) after row"):
        read(tmp_path / "a.csv")


@pytest.mark.parametrize("outer", PACKERS)
def test_file_that_is_packed_twice_is_refused_by_name(tmp_path, table, outer):
    """A script that ran twice; unpacked once it is read."""
    (tmp_path / "a.csv.gz").write_bytes(PACKERS[outer](gzip.compress(table)))

    with pytest.raises(SourceError, match=r"packed twice .gzip in .*unpack it once"):
        read(tmp_path / "a.csv.gz")


def test_zip_archive_is_read_if_it_holds_one_file(tmp_path, table):
    """What archivers of other systems add is no file of it."""
    content = zipped({"folder/": b"", "folder/a.csv": table, "__MACOSX/folder/._a.csv": b"x"})
    (tmp_path / "a.zip").write_bytes(content)
    assert cells(read(tmp_path / "a.zip")) == ROWS

    for members, says in (
        (
            {"a_csv": table, "b_csv": table},
            r"2 files \(a.csv, b.csv\): unpack it and give the folder",
        ),
        ({}, "0 files"),
        ({"xl/workbook.xml": b""}, "an Excel workbook"),
        ({"word/document.xml": b""}, "a Word document"),
    ):
        (tmp_path / "b.zip").write_bytes(zipped(members))
        with pytest.raises(SourceError, match=says):
            open_source(str(tmp_path / "b.zip")).rows(COLUMNS)


def test_damaged_zip_archive_is_named(tmp_path, table):
    """Its table of contents stands at its end, which a cut-off download lacks."""
    file = write_bytes(tmp_path / "a.csv", zipped({"a.csv": table})[:-30])

    with pytest.raises(SourceError, match="begins like an Excel workbook or a zip archive"):
        read(file)
