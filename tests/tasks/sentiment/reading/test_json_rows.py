"""JSON Lines rows: a line that is no object fails alone."""

import pytest

from tasks.sentiment.errors import SourceError
from tests.tasks.sentiment.inputs import cells, read, write_bytes


def test_json_lines_faults_stay_in_their_line(tmp_path):
    """A line that is no object fails alone; a key that is missing is None."""
    lines = ['{"id": 1, "text": "a"}', "{oops", "", "[1]", '{"text": "b\u2028c"}', "[" * 99_999]
    rows = read(write_bytes(tmp_path / "a.jsonl", "\r\n".join(lines).encode()))

    assert cells(rows) == [
        (1, "a"),
        "not valid JSON",
        "not a JSON object",
        (None, "b\u2028c"),
        "not valid JSON",
    ]


def test_json_lines_columns_may_first_appear_in_a_later_object(tmp_path):
    """Any of the first hundred objects may name a column."""
    rows = read(write_bytes(tmp_path / "a.jsonl", b'{"id": 1}\n{"text": "late"}\n'))

    assert cells(rows) == [(1, None), (None, "late")]


@pytest.mark.parametrize("content", [b"", b"\n\n"])
def test_json_lines_without_a_line_have_no_rows(tmp_path, content):
    """A day on which nothing was written."""
    assert cells(read(write_bytes(tmp_path / "a.jsonl", content))) == []


def test_json_lines_without_an_object_are_refused(tmp_path):
    """Something was written, and it is something else."""
    with pytest.raises(SourceError, match="cannot be read as JSON Lines"):
        read(write_bytes(tmp_path / "a.jsonl", b"nothing\n"))
