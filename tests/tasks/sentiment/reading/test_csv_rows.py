"""CSV and TSV rows: what cannot be parsed fails alone."""

import csv
import io
import random

import pytest

from tasks.sentiment.errors import SourceError
from tasks.sentiment.reading.csv_rows import HEADER_REPEATED, MISPLACED_QUOTE
from tests.tasks.sentiment.inputs import (
    cells,
    read,
    write_bytes,
    write_csv,
)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"id,text,id\n", "more than one column id"),
        (b'id,"text\na,b\n', "cannot be parsed"),
        ("id,text\na,b\n".encode("utf-16-le"), "NUL bytes"),
    ],
)
def test_csv_without_a_usable_header_is_refused(tmp_path, content, says):
    """Without a header there is nothing to go by."""
    with pytest.raises(SourceError, match=says):
        read(write_bytes(tmp_path / "a.csv", content))


def test_csv_with_a_header_only_has_no_rows(tmp_path):
    """A header without rows is an empty source, not an error."""
    assert read(write_bytes(tmp_path / "a.csv", b"id,text\n")) == []


@pytest.mark.parametrize(
    "content",
    [
        b"id,text\r\na,b\r\n\r\n\r\nc,d\r\n",
        b"id,text\ra,b\rc,d",
        b"\xef\xbb\xbfid,text\na,b\n\nc,d",
        "\ufeffid,text\r\na,b\r\nc,d\r\n".encode("utf-16-le"),
        "\ufeffid,text\na,b\nc,d\n".encode("utf-16-be"),
        "id,text\na,b\nc,d\n".encode("utf-32"),
    ],
    ids=["crlf-and-blank-lines", "cr", "utf-8-mark", "utf-16-le", "utf-16-be", "utf-32"],
)
@pytest.mark.parametrize("packed", ["", ".gz"])
def test_csv_reads_line_ends_and_byte_order_marks(tmp_path, content, packed):
    """Line ends of any system, blank lines and Unicode marks do not show in the rows."""
    rows = read(write_bytes(tmp_path / f"a.csv{packed}", content))

    assert cells(rows) == [("a", "b"), ("c", "d")]


def test_encoding_is_a_parameter(tmp_path):
    """A file in another encoding is read when it is named, and an unknown name is refused."""
    file = write_bytes(tmp_path / "a.csv", "id,text\na,für\n".encode("cp1252"))

    assert cells(read(file, encoding="cp1252")) == [("a", "für")]
    with pytest.raises(SourceError, match="unknown encoding 'latin-99'"):
        read(file, encoding="latin-99")
    with pytest.raises(SourceError, match="cannot be decoded after row 0"):
        read(write_bytes(tmp_path / "b.csv", b"id,text,odd"), encoding="utf-16-le")


def test_wrong_encoding_stays_in_its_row(tmp_path):
    """A byte that is no UTF-8 arrives as a lone surrogate; the rows around it are whole."""
    file = write_bytes(tmp_path / "a.csv", "id,text\n1,für\n2,".encode() + b"f\xfcr\n3,ok\n")

    assert cells(read(file)) == [("1", "für"), ("2", "f\udcfcr"), ("3", "ok")]


def test_nul_bytes_stay_in_their_row(tmp_path):
    """NUL bytes are handed on, to be rejected by the checks of a row."""
    assert cells(read(write_bytes(tmp_path / "a.csv", b"id,text\n1,a\0b\n2,ok\n"))) == [
        ("1", "a\0b"),
        ("2", "ok"),
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('1,ok\n2,"lost\n3,fine\n4,"good"\n', [("1", "ok"), None, ("3", "fine"), ("4", "good")]),
        ('1,ok\n2,"lost\n3,fine', [("1", "ok"), None, ("3", "fine")]),
        ('1,ok\n2,"lost', [("1", "ok"), None]),
        ('1,"lost\n2,"two\nlines"\n3,"x"\n', [None, ("2", "two\nlines"), ("3", "x")]),
        ('1,"lost\n2,"lost too\n3,"good"\n', [None, None, ("3", "good")]),
        ('1,"a "b" c"\n2,ok\n', [None, ("2", "ok")]),
        ('1,5" pipe\n2,ok\n', [("1", '5" pipe'), ("2", "ok")]),
    ],
    ids=["middle", "end", "last-line", "closes-at-next-quote", "two", "inner", "unquoted"],
)
def test_unbalanced_quote_costs_its_own_row_only(tmp_path, body, expected):
    """After a lost quote reading resumes on the next physical line."""
    rows = read(write_bytes(tmp_path / "a.csv", f"id,text\n{body}".encode()))

    assert cells(rows) == [MISPLACED_QUOTE if row is None else row for row in expected]
    assert [row.row_number for row in rows] == list(range(1, len(expected) + 1))


def test_unbalanced_quote_is_shown_with_the_beginning_of_its_line(tmp_path):
    """Whoever mends the feed sees the line, printable and short."""
    row = read(write_bytes(tmp_path / "a.csv", b'id,text\n1,"lost\x07' + b"x" * 999))[0]

    assert row.excerpt.startswith('1,"lost\ufffdxxx')
    assert len(row.excerpt) == 200


def test_unbalanced_quote_before_many_lines_costs_its_own_row_only(tmp_path):
    """A record that stays open over 16 million characters is given up, and no line is lost."""
    line = "{},plain text of a review that goes on and on " + "and on " * 140 + "\n"
    body = "".join(line.format(number) for number in range(17_000))

    rows = read(write_bytes(tmp_path / "a.csv", f'id,text\nx,"lost\n{body}'.encode()), ["id"])

    assert rows[0].fault == MISPLACED_QUOTE
    assert cells(rows[1:]) == [(str(number),) for number in range(17_000)]


@pytest.mark.parametrize("lines", [1, 1000])
def test_cell_of_ten_megabytes_is_one_row(tmp_path, lines):
    """A huge cell, on one line or on many, is parsed; the checks of a row reject it."""
    huge = "\n".join(["x" * (10 * 1024 * 1024 // lines)] * lines)

    rows = read(write_csv(tmp_path / "a.csv", [("1", huge), ("2", "ok")]))

    assert [len(str((row.values or {})["text"])) for row in rows] == [len(huge), 2]


def test_empty_cells_at_the_end_may_be_missing_or_too_many(tmp_path):
    """Writers leave them out, or end each line with a delimiter."""
    content = b"id,text,stars,reply\n1,a,5\n2,b,5,,,\n3,c\n4,d,5,e,f\n"

    rows = read(write_bytes(tmp_path / "a.csv", content), ["id", "stars", "reply"])

    assert cells(rows) == [
        ("1", "5", None),
        ("2", "5", ""),
        ("3", None, None),
        "5 fields where the header has 4",
    ]


@pytest.mark.parametrize("key", ["{}", "r-{}"])
def test_line_end_in_a_cell_without_quotes_gives_no_half_reviews(tmp_path, key):
    """Neither half is a row that lacks its end: the second begins as no other row does."""
    ids = [key.format(n) for n in range(20)]
    lines = [f"{name},fine,5,thanks" for name in ids]
    lines[7] = f"{ids[7]},good at first\nbut then it broke,1,thanks"
    lines[12] = f"{ids[12]},short"
    content = "\n".join(["id,text,stars,reply", *lines])

    rows = read(write_bytes(tmp_path / "a.csv", content.encode()), ["id", "stars"])

    found = cells(rows)
    assert found[7:9] == ["2 fields where the header has 4", "3 fields where the header has 4"]
    assert found[13] == (ids[12], None)
    assert found[:7] + found[9:13] + found[14:] == [
        (name, "5") for name in ids if name not in (ids[7], ids[12])
    ]
    assert [row.row_number for row in rows] == list(range(1, 22))


def test_repeated_column_matters_only_if_it_is_asked_for(tmp_path):
    """A table may name a column twice that nobody asks for."""
    file = write_bytes(tmp_path / "a.csv", b"id,text,note,note\n1,a,x,y\n")

    assert cells(read(file)) == [("1", "a")]
    with pytest.raises(SourceError, match="more than one column note"):
        read(file, ["note"])


def test_outer_spaces_of_a_header_do_not_count(tmp_path):
    """Unless there is a column of just the name that was asked for."""
    file = write_bytes(tmp_path / "a.csv", b"id, text ,text,  \n1,a,b,c\n")

    assert cells(read(file, ["text", " id"])) == [("b", "1")]
    assert cells(read(file, [" text "])) == [("a",)]


def test_missing_header_is_named_and_columns_can_be_given(tmp_path):
    """The first line of such a file is a review, and is no name of a column."""
    file = write_bytes(tmp_path / "a.csv", b'1,"Lovely, this chair",5\n2,"Broke",1\n')

    with pytest.raises(SourceError, match=r"looks like data.*Name its 3 columns.*--columns"):
        read(file)

    rows = read(file, ["id", "text"], columns=("id", "text", "stars"))
    assert cells(rows) == [("1", "Lovely, this chair"), ("2", "Broke")]
    assert [row.row_number for row in rows] == [1, 2]


def test_columns_for_a_file_that_has_a_header_are_refused(tmp_path):
    """Its header would be scored as a review; skipped by its number it may be replaced."""
    file = write_bytes(tmp_path / "a.csv", b"Id,Text\n1,a\n")

    with pytest.raises(SourceError, match=r"names columns already.*--skip-lines 1"):
        read(file, columns=("id", "text"))
    assert cells(read(file, columns=("id", "text"), skip_lines=1)) == [("1", "a")]


@pytest.mark.parametrize("again", ["id,text", "\ufeffid, text", '"id","text"'])
def test_header_that_comes_again_is_no_review(tmp_path, again):
    """Files were put together, each with its header."""
    file = write_bytes(tmp_path / "a.csv", f"id,text\n1,a\n{again}\n2,text\n".encode())

    rows = read(file)

    assert cells(rows) == [("1", "a"), HEADER_REPEATED, ("2", "text")]
    assert "id" in rows[1].excerpt and "text" in rows[1].excerpt


def test_columns_may_be_given_for_a_table_in_parts_of_which_the_first_has_them(tmp_path):
    """As `split` leaves it: no row of the other parts is lost."""
    write_bytes(tmp_path / "p_aa.csv", b"id,text\n1,a\n2,b\n")
    write_bytes(tmp_path / "p_ab.csv", b"3,c\n4,d\n")

    rows = read(tmp_path, columns=("id", "text"))

    assert cells(rows) == [("1", "a"), ("2", "b"), ("3", "c"), ("4", "d")]


def test_texts_with_commas_and_no_quotes_are_told_how_they_are_read(tmp_path):
    """Each line is one text, or the header lacks a name: that is not to be found out."""
    lines = "".join(f"Fine {n}, so far\n" for n in range(9))
    file = write_bytes(tmp_path / "a.txt", f"text\nBad\n{lines}".encode())

    with pytest.raises(
        SourceError, match=r"most lines of a\.txt have several cells.*--delimiter tab"
    ):
        read(file, ["text"])
    assert cells(read(file, ["text"], delimiter="\t"))[:2] == [("Bad",), ("Fine 0, so far",)]


def test_decimal_comma_of_named_columns_becomes_a_point(tmp_path):
    """What is no number stays as it is, and so do other columns."""
    content = "id;text;stars\n1;1,5;4,0\n2;b;1.234,50\n3;c;-0,5\n4;d;n/a\n5;e;1, 2\n6;f\n"
    file = write_bytes(tmp_path / "a.csv", content.encode())

    rows = read(file, ["text", "stars"], decimal_comma=("stars",))

    assert cells(rows) == [
        ("1,5", "4.0"),
        ("b", "1234.50"),
        ("c", "-0.5"),
        ("d", "n/a"),
        ("e", "1, 2"),
        ("f", None),
    ]


def test_wrong_field_count_is_a_fault_of_its_row(tmp_path):
    """Too many and too few fields are counted; the rows around are read."""
    rows = read(write_bytes(tmp_path / "a.csv", b"id,text\n1,a,b\n2\n3,ok\n"))

    assert cells(rows) == [
        "3 fields where the header has 2",
        "1 field where the header has 2",
        ("3", "ok"),
    ]
    assert rows[0].excerpt == "1,a,b"


@pytest.mark.parametrize("delimiter", [",", "\t"])
@pytest.mark.parametrize("seed", range(25))
def test_csv_reads_back_what_python_writes(tmp_path, seed, delimiter):
    """Any cells that csv.writer writes come back equal, with any line end."""
    rng = random.Random(seed)
    alphabet = 'ab ,;"\t\n\r\0é🙂'
    rows = [
        tuple("".join(rng.choices(alphabet, k=rng.randrange(8))) for _ in range(3))
        for _ in range(60)
    ]
    buffer = io.StringIO(newline="")
    # With "\n" as the line's end Python leaves a lone "\r" unquoted unless told to quote all.
    quote_all = seed % 2 == 1
    writer = csv.writer(
        buffer,
        delimiter=delimiter,
        lineterminator="\n" if quote_all else "\r\n",
        quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL,
    )
    writer.writerows([("x", "y", "z"), *rows])
    suffix = "csv" if delimiter == "," else "tsv"
    file = write_bytes(tmp_path / f"a.{suffix}", buffer.getvalue().encode())

    assert cells(read(file, ["x", "y", "z"])) == rows


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("Export of the shop\n\nnumber,words,at\n" + "1,good,2026\n" * 12, 3),
        ("Export\nid,text,at\n" + "1,good,2026\n" * 12, 1),
        ("\n\nExport\nid,text,at\n" + "1,good,2026\n" * 12, 3),
    ],
)
def test_missing_column_says_which_line_was_guessed_to_be_the_header(tmp_path, content, line):
    """Where lines were skipped, or the line is one word as titles are."""
    file = write_bytes(tmp_path / "a.csv", content.encode())
    with pytest.raises(SourceError, match=rf"\(header taken from line {line}: else give --skip-li"):
        read(file)


@pytest.mark.parametrize("skip_lines", [None, 0])
def test_missing_column_of_a_sure_header_raises_no_doubt(tmp_path, skip_lines):
    """Nor where it was said which line it is."""
    file = write_bytes(tmp_path / "a.csv", b"number,words\n1,good\n")
    with pytest.raises(SourceError, match=r"its columns are: number, words$"):
        read(file, skip_lines=skip_lines)
