"""Excel workbooks: one sheet is read as it is, and which one is never guessed."""

import re
import sys
import zipfile
from datetime import datetime

import pytest

from tasks.sentiment.errors import SourceError
from tasks.sentiment.reading.recognition import workbook
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


def rewrite(path, part, pattern, new):
    """The workbook with other XML in one of its parts."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    changed = re.sub(pattern, new, parts[part], flags=re.DOTALL)
    assert changed != parts[part]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**parts, part: changed}.items():
            archive.writestr(name, content)
    return path


SHEET = "xl/worksheets/sheet1.xml"
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


def test_rows_beyond_what_a_sheet_says_of_its_size_are_read(tmp_path):
    """Some writers leave the size of an older version there."""
    rows = [HEADER, *([number, f"text {number}", DAY] for number in range(5))]
    file = write(tmp_path / "a.xlsx", May=rows)
    rewrite(file, SHEET, rb'<dimension ref="[^"]*"', rb'<dimension ref="A1:B3"')

    found = cells(read(file, ["id", "text", "at"]))

    assert found == [(number, f"text {number}", DAY) for number in range(5)]


@pytest.mark.parametrize(
    ("part", "pattern", "new"),
    [
        (SHEET, rb"<sheetData>.*", b"<sheetData><row"),
        (SHEET, rb'(<c r="A2"[^>]*)>.*?</c>', rb'<c r="A2" t="s"><v>99</v></c>'),
        ("xl/styles.xml", rb"</styleSheet>", b""),
        ("xl/workbook.xml", rb"<sheets>.*", b""),
    ],
)
def test_damaged_workbook_is_refused_by_its_name(tmp_path, part, pattern, new):
    """Whatever the damage makes of the XML in it."""
    file = write(tmp_path / "a.xlsx", May=[HEADER, [1, "a"], [2, "b"]])
    rewrite(file, part, pattern, new)

    with pytest.raises(SourceError, match=r"a\.xlsx is (damaged|an Excel workbook that cannot)"):
        read(file)


@pytest.mark.parametrize("place", [4, 6, 8])  # the version it needs, its flags, how it is packed
def test_workbook_packed_in_an_unknown_way_is_refused(tmp_path, place):
    """In a line: of its archive, or of the first part that is opened."""
    file = write(tmp_path / "a.xlsx", May=[HEADER, [1, "a"]])
    content = bytearray(file.read_bytes())
    for start in [found.start() for found in re.finditer(rb"PK\x01\x02", bytes(content))]:
        content[start + 2 + place] = 0x61
    file.write_bytes(content)

    with pytest.raises(SourceError, match=r"a\.xlsx (begins like|is) an Excel workbook"):
        read(file)


def test_workbook_that_swells_when_unpacked_is_refused(tmp_path, monkeypatch):
    """Before it fills the memory; one that is only large is read."""
    file = write(tmp_path / "a.xlsx", May=[HEADER, [1, "a"]])
    monkeypatch.setattr(workbook, "_LARGE_BYTES", 100_000)
    rewrite(file, SHEET, rb"</sheetData>", b" " * 90_000 + b"</sheetData>")
    assert cells(read(file)) == [(1, "a")]

    rewrite(file, SHEET, rb"</sheetData>", b" " * 900_000 + b"</sheetData>")
    with pytest.raises(
        SourceError, match=r"a\.xlsx holds xl/worksheets/sheet1\.xml, which unpacks"
    ):
        read(file)


@pytest.mark.parametrize(
    ("option", "given"),
    [
        ("--skip-lines", {"skip_lines": 2}),
        ("--columns", {"columns": ("id", "text")}),
        ("--decimal-comma", {"decimal_comma": ("at",)}),
    ],
)
def test_options_of_csv_are_refused_for_a_sheet(tmp_path, option, given):
    """They would change nothing, which nobody would notice."""
    file = write(tmp_path / "a.xlsx", May=[HEADER, [1, "a"]])

    with pytest.raises(SourceError, match=rf"read as Excel \(sheet May\), where {option} would"):
        read(file, **given)


def test_title_above_the_header_is_told(tmp_path):
    """The columns that the title seems to name are none."""
    rows = [["Reviews of November"], [], ["id", "text"], [1, "a"]]

    with pytest.raises(
        SourceError, match=r"no column id, text; .*delete a title that stands above"
    ):
        read(write(tmp_path / "a.xlsx", May=rows))


@pytest.mark.parametrize("rows", [[["=B2", "a"]], [[1, "a"], [2, '="Good " & A2']]])
def test_formula_that_was_never_computed_is_refused(tmp_path, rows):
    """Its text would be blank: who wrote it computes nothing, and a spreadsheet program does."""
    file = write(tmp_path / "a.xlsx", May=[["id", "text", "other"], *rows])

    cell = "A2" if len(rows) == 1 else "B3"
    with pytest.raises(SourceError, match=f"never computed, as in {cell}: open it"):
        read(file)


def test_computed_formulas_are_read_and_others_matter_only_where_they_are_asked_for(tmp_path):
    """An empty text is a value too."""
    rows = [["id", "text", "other"], ["=1+1", "a", "=B2"], [3, "=B9", None]]
    file = write(tmp_path / "a.xlsx", May=rows)
    rewrite(file, SHEET, rb"(<f>1\+1</f>)<v ?/>", rb"\1<v>2</v>")
    rewrite(file, SHEET, rb'<c r="B3">(<f>B9</f>)<v ?/>', rb'<c r="B3" t="str">\1<v></v>')

    assert cells(read(file)) == [(2, "a"), (3, None)]


def test_formula_is_found_wherever_the_sheet_is_cut(monkeypatch, tmp_path):
    """It is looked through piece by piece."""
    monkeypatch.setattr(workbook, "_CHUNK_BYTES", 7)
    rows = [["id", "text"], *([n, "a"] for n in range(9)), [9, "=A2"]]

    with pytest.raises(SourceError, match="as in B11"):
        read(write(tmp_path / "a.xlsx", May=rows))
