"""Words of a command line: the wrong one is named, with the right one."""

import argparse

import pytest

from services.reporting.arguments import Parser, complaint


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(allow_abbrev=False)
    made.add_argument("--text-column", required=True, metavar="TEXT")
    made.add_argument("--source", metavar="TEXT")
    made.add_argument("--max-rejected-share", metavar="X")
    made.add_argument("--carry", metavar="NAME,…", action="append")
    made.add_argument("--rescore", action=argparse.BooleanOptionalAction)
    return made


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--text-colum a", "--text-colum is no option; did you mean --text-column?"),
        ("--text_column a", "did you mean --text-column?"),
        ("--Text-Column a", "did you mean --text-column?"),
        ("--sorce=3", "--sorce is no option; did you mean --source?"),
        ("-source 3", "-source is no option; did you mean --source?"),
        ("--max 0.3", "did you mean --max-rejected-share?"),
        ("--resc", "did you mean --rescore?"),
        ("--zzz", "--zzz is no option; see --help"),
        ("-x", "-x is no option; see --help"),
        ("-- a", "-- is no option"),
        ("reviews.csv", "reviews.csv belongs to no option"),
        ("--carry a b", "b belongs to no option"),
        ("--rescore=true", "--rescore takes no value: give --rescore or --no-rescore"),
        ("--rescore true", "true belongs to no option: give --rescore or --no-rescore"),
        ("--source", "--source needs a value: --source TEXT"),
        ("--source --rescore", "--source needs a value"),
        ("--source a --source b", "--source is given twice, as a and b: give it once"),
        ("--rescore --no-rescore", "--no-rescore is given twice"),
        ("--source a --sourcee b --zzz", "--sourcee is no option"),
    ],
)
def test_wrong_word_is_named_before_what_is_missing(words, told):
    """`--text-column` is required, and missing in all of them but the last letters."""
    fault = complaint(parser(), words.split())

    assert (fault is not None and fault.startswith(told)) or told in str(fault)
    assert "\n" not in str(fault)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--text-column", "a", "--rescore"],
        ["--text-column=--odd", "--source="],
        ["--carry", "a", "--carry", "b"],
        ["--source", "a", "--source", "a"],
        ["--rescore", "--rescore"],
        ["--source", "-- a comment\nSELECT 1"],
        ["--max-rejected-share", "-0.5"],
        ["--max-rejected-share", "-.5"],
        ["--source", "-"],
        ["--help"],
    ],
    ids=str,
)
def test_right_words_are_let_through(words):
    """Whatever the parser itself would take, a query that begins with a comment among it."""
    assert complaint(parser(), words) is None


def test_parser_answers_in_one_line_with_status_2(capsys):
    """Without the usage before it, which hides the line that counts."""
    wrong = Parser(prog="prog", description="")
    wrong.add_argument("--port", type=int)

    for words in (["--prt", "3"], ["--port", "x"]):
        with pytest.raises(SystemExit) as end:
            wrong.read(words)
        assert end.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("prog: error: ") and "--port" in line
