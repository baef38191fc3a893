"""Excel workbooks: one sheet is read as it is, and which one is never guessed."""

import sys
from datetime import datetime

import pytest

from tasks.sentiment.errors import SourceError
from tasks.sentiment.reading.source import open_source
from tests.tasks.sentiment.inputs import COLUMNS, cells, read

openpyxl = pytest.importorskip("openpyxl", reason="the extra `excel` is not installed")


def write(path, **sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


HEADER = ["id", " text ", "at"]
DAY = datetime(2026, 11, 22)


def test_sheet_is_read_with_its_values(tmp_path):
    """Empty rows are none, and an empty sheet beside it is no choice; the name does not matter."""
    rows = [[], HEADER, [1, "good", DAY], [], [2.5, None, None], ["x", 7]]
    file = write(tmp_path / "reviews.csv", Reviews=rows, Sheet2=[])

    found = read(file, ["id", "text", "at"])

    assert cells(found) == [(1, "good", DAY), (2.5, None, None), ("x", 7, None)]
    assert [row.row_number for row in found] == [1, 2, 3]


def test_one_of_several_sheets_must_be_named(tmp_path):
    """And the summary says which one was read."""
    file = write(tmp_path / "a.xlsx", May=[HEADER, [1, "a"]], June=[HEADER, [2, "b"]])

    with pytest.raises(SourceError, match=r"2 filled sheets \(May, June\): name one with --sheet"):
        read(file)
    with pytest.raises(SourceError, match=r"no filled sheet July .May, June"):
        read(file, sheet="July")
    assert cells(read(file, sheet="June")) == [(2, "b")]


def test_how_a_workbook_was_read_is_told(tmp_path):
    """And its name gives the source's."""
    source = open_source(str(write(tmp_path / "night.xlsx", May=[HEADER, [1, "a"]])))
    assert list(source.rows(COLUMNS))

    assert source.read_as == {"Excel (sheet May)": 1}
    assert source.name == "night"


def test_missing_column_of_a_sheet_is_refused(tmp_path):
    """With those that it has."""
    file = write(tmp_path / "a.xlsx", May=[["id", "words"], [1, "a"]])

    with pytest.raises(SourceError, match="no column text; its columns are: id, words"):
        read(file)


def test_workbook_without_the_extra_is_named(tmp_path, monkeypatch):
    """With both ways out."""
    file = write(tmp_path / "a.xlsx", May=[HEADER])
    monkeypatch.setitem(sys.modules, "openpyxl", None)

    with pytest.raises(SourceError, match="an Excel workbook: save it as CSV UTF-8, or install"):
        read(file)
