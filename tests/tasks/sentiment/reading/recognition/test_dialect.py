"""CSV dialects: what a sample says, that it can be set, and that it is shown."""

import pytest

from tasks.sentiment.errors import SourceError
from tasks.sentiment.reading.csv_rows import CsvReader
from tasks.sentiment.reading.recognition.dialect import SAMPLE_CHARACTERS, TextFormat
from tests.tasks.sentiment.inputs import cells, read, write_bytes

PLAIN = [("1", "Good, very good; fine"), ("2", 'Said "no" | left'), ("3", "Bad")]


def shown(content: str, name: str = "a.csv", **written: object) -> str:
    lines = iter(content.splitlines(keepends=True))
    return CsvReader(lambda _: next(lines, ""), name, TextFormat(**written)).how  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "how"),
    [
        (
            'id,text,stars\n1,"Good, very good; fine",5\n2,"Said ""no"" | left",1\n3,Bad,1\n',
            "delimiter comma",
        ),
        (
            'id;text;stars\n1;"Good, very good; fine";5,0\n2;"Said ""no"" | left";1,0\n3;Bad;1,0\n',
            "delimiter ;",
        ),
        (
            'id|text|stars\n1|Good, very good; fine|5\n2|"Said ""no"" | left"|1\n3|Bad|1\n',
            "delimiter |",
        ),
        (
            'id\ttext\n1\tGood, very good; fine\n2\t"Said ""no"" | left"\n3\tBad\n',
            "delimiter tab",
        ),
        (
            'id, text, stars\n1, "Good, very good; fine", 5\n'
            '2, "Said ""no"" | left", 1\n3, Bad, 1\n',
            "delimiter comma, spaces after it",
        ),
        (
            'id,text,stars\n1,"Good, very good; fine",5\n2,"Said \\"no\\" | left",1\n3,Bad,1\n',
            "delimiter comma, escape \\",
        ),
        (
            "id,text,stars\n1,'Good, very good; fine',5\n2,'Said \"no\" | left',1\n3,Bad,1\n",
            "delimiter comma, quote '",
        ),
        (
            "Export of reviews\nMade on 2026-11-20\n\nid,text,stars\n"
            '1,"Good, very good; fine",5\n2,"Said ""no"" | left",1\n3,Bad,1\n',
            "delimiter comma, 3 lines skipped",
        ),
    ],
    ids=[
        *("comma", "semicolon", "bar", "tab", "spaces", "escape", "quote", "preamble"),
    ],
)
def test_dialect_is_found_and_shown(tmp_path, content, how):
    """Whatever the file is called, the cells are the same."""
    for name in ("a.csv", "a.tsv", "a.txt"):
        assert cells(read(write_bytes(tmp_path / name, content.encode()))) == PLAIN
    assert shown(content) == f"CSV ({how})"


@pytest.mark.parametrize("line", ["sep=;", "SEP=;", '"sep=;"'])
def test_sep_line_is_no_row(tmp_path, line):
    """Spreadsheets write and obey it; rows are counted from the header."""
    rows = read(write_bytes(tmp_path / "a.csv", f"{line}\r\nid;text\r\n1;a, b\r\n".encode()))

    assert cells(rows) == [("1", "a, b")]
    assert rows[0].row_number == 1


def test_quotes_between_tabs_may_be_characters_like_any_other(tmp_path):
    """No review is glued to another, and none is lost, where a text begins with a quote."""
    lines = [
        "text\tstars",
        '"Great" is what I said\t5',
        '"I never got it\t1',
        "Fine\t4",
        'A 3" hose, as "promised"\t5',
        'He said "no"\t1',
    ]
    content = "\n".join(lines) + "\n"

    rows = read(write_bytes(tmp_path / "a.tsv", content.encode()), ["text", "stars"])

    assert cells(rows) == [tuple(line.split("\t")) for line in lines[1:]]
    assert shown(content, "a.tsv") == "CSV (delimiter tab, quote none)"


def test_quotes_between_tabs_are_quotes_where_cells_end_with_them(tmp_path):
    """As spreadsheets write them, also around line ends; one that is left open costs its row."""
    content = 'id\ttext\n1\t"a ""b"""\n2\t"two\nlines"\n3\t"open\n4\t"c"\n5\t"d"\n'

    assert cells(read(write_bytes(tmp_path / "a.tsv", content.encode()))) == [
        ("1", 'a "b"'),
        ("2", "two\nlines"),
        "unbalanced or misplaced quote",
        ("4", "c"),
        ("5", "d"),
    ]


def test_stray_quotes_behind_the_sample_glue_no_reviews_together(tmp_path):
    """Where the sample holds no quote, a cell over lines with a tab in it is not believed."""
    plain = "".join(f"{number}\tplain text\n" for number in range(SAMPLE_CHARACTERS // 15))
    content = f'id\ttext\n{plain}x\t"begins\ny\tmiddle\nz\tends"\n'

    rows = read(write_bytes(tmp_path / "a.tsv", content.encode()))

    assert cells(rows[-3:]) == [
        "unbalanced or misplaced quote",
        ("y", "middle"),
        ("z", 'ends"'),
    ]


@pytest.mark.parametrize(
    ("written", "content", "how"),
    [
        ({"delimiter": ":"}, "id:text\n1:a, b\n", "delimiter :"),
        ({"delimiter": "; "}, 'id; text\n1; "a; b"\n', "delimiter ;, spaces after it"),
        ({"quote": "none"}, 'id,text\n1,"a b\n', "delimiter comma, quote none"),
        ({"quote": "'"}, "id,text\n1,'a, b'\n", "delimiter comma, quote '"),
        ({"escape": "\\"}, 'id,text\n1,"a \\"b\\""\n', "delimiter comma, escape \\"),
        ({"escape": "none"}, "id,text\n1,a\n", "delimiter comma"),
        ({"skip_lines": 2}, "1,2\n3,4\nid,text\n1,a\n", "delimiter comma, 2 lines skipped"),
        ({"skip_lines": 0}, "id,text\n1,a\n", "delimiter comma"),
        ({"columns": ("id", "text")}, "1;a\n", "delimiter ;, columns as given"),
    ],
)
def test_what_is_asked_for_is_not_doubted(tmp_path, written, content, how):
    """Each part of a dialect can be set."""
    rows = read(write_bytes(tmp_path / "a.csv", content.encode()), ["id"], **written)

    assert cells(rows) == [("1",)]
    assert shown(content, **written) == f"CSV ({how})"


def test_escape_that_escapes_nothing_stays(tmp_path):
    """As in a path, and in the NULL of MySQL."""
    content = 'id,text,note\n1,"\\"a\\" C:\\new",\\N\n2,"\\"b\\" \\\\",x\n'

    rows = read(write_bytes(tmp_path / "a.csv", content.encode()), ["text", "note"])

    assert cells(rows) == [('"a" C:\\new', "\\N"), ('"b" \\', "x")]


def test_dialect_with_two_explanations_is_asked_for(tmp_path):
    """A guess that may as well be wrong is not made."""
    content = b"id;a|text;b\n1;x|2;y\n3;x|4;y\n"

    with pytest.raises(SourceError, match="give --delimiter"):
        read(write_bytes(tmp_path / "a.csv", content))
    file = write_bytes(tmp_path / "b.csv", content)
    assert cells(read(file, ["b"], delimiter=";")) == [("y",), ("y",)]


def test_columns_that_are_given_and_fit_twice_are_asked_for(tmp_path):
    """Without a header there may be too little to tell a delimiter from text."""
    file = write_bytes(tmp_path / "a.csv", b"1;a, b\n2;c, d\n")

    with pytest.raises(SourceError, match="give --delimiter"):
        read(file, columns=("id", "text"))
    rows = read(file, columns=("id", "text"), delimiter=";")
    assert cells(rows) == [("1", "a, b"), ("2", "c, d")]


def test_text_with_other_delimiters_does_not_change_the_reading(tmp_path):
    """A comma between names is a comma, whatever the reviews hold, and however untidy they are."""
    body = "".join(f"{n},a;b;c;d|e|f\tg\n" for n in range(50)) + "x,too,many\n" * 10

    rows = read(write_bytes(tmp_path / "a.csv", f"id,text\n{body}".encode()))

    assert [row.fault for row in rows if row.fault] == ["3 fields where the header has 2"] * 10


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.txt"])
def test_single_column_has_no_delimiter(tmp_path, name):
    """One text per line, with semicolons in it."""
    content = b"text\nGood; cheap\nBad; dear | old\n"

    assert cells(read(write_bytes(tmp_path / name, content), ["text"])) == [
        ("Good; cheap",),
        ("Bad; dear | old",),
    ]


def test_sample_that_ends_within_a_cell_is_no_evidence(tmp_path):
    """The last cell of the sample goes on over many lines behind it."""
    cell = "line; of, a | cell\n" * 2_000
    rows = "".join(f'{n},"{cell}"\n' for n in range(12))

    found = read(write_bytes(tmp_path / "a.csv", f"id,text\n{rows}".encode()))

    assert cells(found) == [(str(n), cell) for n in range(12)]
    assert shown(f"id,text\n{rows}") == "CSV (delimiter comma)"
