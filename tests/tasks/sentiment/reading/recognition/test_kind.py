"""What a file holds: by its first bytes, and what is no table is named."""

import pickle
import sqlite3

import pytest

from tasks.sentiment.errors import SourceError
from tests.tasks.sentiment.inputs import (
    ROWS,
    WRITERS,
    cells,
    read,
    write_bytes,
)


@pytest.mark.parametrize("name", ["a", "a.txt", "a.dat", "a.csv", "a.tsv", "a.json", "a.jsonl"])
@pytest.mark.parametrize("kind", WRITERS)
def test_file_is_read_by_its_content(tmp_path, kind, name):
    """Any kind under any name."""
    file = WRITERS[kind](tmp_path / f"written{kind}").rename(tmp_path / name)

    assert cells(read(file)) == ROWS


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\n <!DOCTYPE html>\n<html><body>Sign in</body></html>", "is a web page.*login"),
        (b"<html lang=en>id,text", "is a web page"),
        (b'<?xml version="1.0"?><rows/>', "is XML"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", "an old Office file .Excel 97"),
        (b"%PDF-1.7\n%\xe2\xe3\n\0", "a PDF document"),
        (b"ORC\n\x03\0\0", "an ORC file: export"),
        (b"ARROW1\0\0", "an Arrow or Feather file"),
        (b"\x89PNG\r\n\x1a\n\0", "a picture"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "a pointer of Git LFS"),
        (pickle.dumps([{"id": 1, "text": "a"}]), "a Python pickle, which is never opened"),
        (b"folder/\0" + bytes(249) + b"ustar\x0000", "a tar archive: unpack it"),
    ],
)
def test_what_is_no_table_is_named(tmp_path, content, says):
    """In one line, with what would be right; its name makes no difference."""
    with pytest.raises(SourceError, match=f"^a.csv is {says}|^a.csv {says}") as error:
        read(write_bytes(tmp_path / "a.csv", content))

    assert "\n" not in str(error.value)


def test_database_is_named_with_the_way_to_ask_it(tmp_path):
    """A file of SQLite is a source, but by a query."""
    connection = sqlite3.connect(tmp_path / "a.csv")
    connection.execute("CREATE TABLE reviews (id, text)")
    connection.close()

    with pytest.raises(SourceError, match=r"a SQLite database.*SELECT"):
        read(tmp_path / "a.csv")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_wide_text_without_a_mark_is_named_and_read_when_named(tmp_path, encoding):
    """The message says what to give."""
    file = write_bytes(tmp_path / "a.csv", "id,text\n1,für\n".encode(encoding))

    with pytest.raises(SourceError, match=f"give --encoding {encoding}"):
        read(file)
    assert cells(read(file, encoding=encoding)) == [("1", "für")]


@pytest.mark.parametrize("start", ["ORCID", "BZh", "PAR1", "[id]", "{id}", "Rar!", "RDX"])
def test_table_whose_first_name_begins_like_another_kind_is_a_table(tmp_path, start):
    """Letters alone do not make a binary file."""
    file = write_bytes(tmp_path / "a.csv", f"{start},text\n1,a\n".encode())

    assert cells(read(file, [start, "text"])) == [("1", "a")]
