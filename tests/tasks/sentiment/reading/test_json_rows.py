"""JSON Lines rows: a line that is no object fails alone."""

import json

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


PRETTY = """{
 "id": 1,
 "text": "a {",
 "more": [
  {"id": 7}
 ]
}
{
 "id": 2,
 "text": "b"
}
"""


@pytest.mark.parametrize(
    "content",
    [
        '[{"id": 1, "text": "a {"}, {"id": 2, "text": "b"}]',
        '\n[\n{"id": 1, "text": "a {"},\n{"id": 2, "text": "b"}\n]\n',
        PRETTY,
        '{"id": 1, "text": "a {"}{"id": 2, "text": "b"}',
        "{'id': 1, 'text': 'a {'}\n{u'id': 2, 'text': u'b', 'bought': True, 'stars': None}\n",
    ],
    ids=["array", "array-by-lines", "over-several-lines", "side-by-side", "python-literals"],
)
@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.csv", "a"])
def test_objects_are_read_however_they_are_written(tmp_path, content, name):
    """By what stands in the file, whatever it is called."""
    assert cells(read(write_bytes(tmp_path / name, content.encode()))) == [(1, "a {"), (2, "b")]


def test_array_longer_than_what_is_held_of_it_is_read_whole(tmp_path):
    """An array on one line, of objects that lie across the pieces in which it is read."""
    items = [{"id": number, "text": "x" * (number % 997) + "ü"} for number in range(2_000)]
    items[1_000]["text"] = "y" * 300_000  # several pieces
    file = write_bytes(tmp_path / "a.json", json.dumps(items, ensure_ascii=False).encode())

    assert cells(read(file)) == [(item["id"], item["text"]) for item in items]


def test_what_is_no_object_in_an_array_fails_alone(tmp_path):
    """It has an end, so that the next one is found."""
    file = write_bytes(tmp_path / "a.json", b'[{"id": 1, "text": "a"}, 7, {"id": 2, "text": "b"}]')

    assert cells(read(file)) == [(1, "a"), "not a JSON object", (2, "b")]


@pytest.mark.parametrize(
    "content",
    [
        '[{"id": 1, "text": "a"}, {"id": 2, "te',
        '[{"id": 1, "text": "a"}',
        '[{"id": 1, "text": "a"}] {"id": 2}',
        '[{"id": 1, "text": "a"} {"id": 2}]',
        '[{"id": 1, "text": "a"}, oops]',
        '{\n"id": 1,\n"text": "a"\n}\n{\n"id": 2,\n"te',
    ],
)
def test_damaged_objects_that_are_not_one_per_line_are_an_error(tmp_path, content):
    """Where the next one begins is not known; rows must not get lost without a word."""
    with pytest.raises(SourceError, match="damaged or breaks off after row 1 "):
        read(write_bytes(tmp_path / "a.json", content.encode()))


def test_literals_are_parsed_and_never_evaluated(tmp_path):
    """A call in a dump stays a fault of its line, and so does what is no literal."""
    lines = [
        "{'id': 1, 'text': 'a\\d'}",
        f"{{'id': 2, 'text': open({str(tmp_path / 'made')!r}, 'w')}}",
        "{'id': 3, [1]: 4}",
        "{'id': 4, 'text': " + "(" * 5_000,
        "[5]",
        "{'id': 6, 'text': 'b'}",
    ]
    rows = read(write_bytes(tmp_path / "a.jsonl", "\n".join(lines).encode()))

    fault = "not a Python literal"
    assert cells(rows) == [(1, "a\\d"), fault, fault, fault, "not a JSON object", (6, "b")]
    assert not (tmp_path / "made").exists()


def test_damaged_first_line_of_json_lines_fails_alone(tmp_path):
    """It is not taken for the beginning of an object over several lines."""
    content = b'{"id": 1, "te\n{"id": 2, "text": "b"}\n'

    assert cells(read(write_bytes(tmp_path / "a.jsonl", content))) == [
        "not valid JSON",
        (2, "b"),
    ]


def test_damaged_first_line_does_not_make_literals_of_json_lines(tmp_path):
    """Escapes, true and null of the lines behind it stay what JSON says."""
    lines = [
        '{"id": 0, "text": "x",}',
        r'{"id": 1, "text": "\ud83d\ude00"}',
        '{"id": true, "text": null}',
        "{'id': None, 'text': 'y'}",
        "[5]",
        "{oops",
    ]
    rows = read(write_bytes(tmp_path / "a.jsonl", "\n".join(lines).encode()))

    assert cells(rows) == [
        (0, "x"),
        (1, "\U0001f600"),
        (True, None),
        (None, "y"),
        "not a JSON object",
        "not a Python literal",
    ]


def test_literals_that_json_cannot_hold_fail_alone(tmp_path):
    """Keys that are no names, also of objects in objects, and numbers too long to be written."""
    lines = [
        "{'id': 1, 'text': 'a'}",
        "{1: 'a', 'text': 'b'}",
        "{'id': {(1, 2): 3}, 'text': 'c'}",
        f"{{'id': 0x{'f' * 4_000}, 'text': 'd'}}",
        "{'id': b'5', 'text': 'e'}",
    ]
    rows = read(write_bytes(tmp_path / "a.jsonl", "\n".join(lines).encode()))

    fault = "not a Python literal"
    assert cells(rows) == [(1, "a"), "not a JSON object", fault, fault, (b"5", "e")]


def test_decimal_comma_is_refused_for_json(tmp_path):
    """Its numbers have a point, and texts with a comma would stay as they are."""
    file = write_bytes(tmp_path / "a.jsonl", b'{"id": "1,5", "text": "a"}')

    with pytest.raises(SourceError, match="read as JSON Lines, where --decimal-comma would change"):
        read(file, decimal_comma=("id",))


TWICE = [
    '{"id": 1, "text": "first", "text": ""}',
    '{"id": 2, "text": "b", "other": 1, "other": 2}',
    '{"id": 3, "text": "c", "\\u0069d": 4}',
    '{"id": 5, "text": {"body": "d", "body": "e"}}',
    '{"id": 6, "text": [1, {"by": {"name": 1, "name": 1}}]}',
    '{"id": 7, "text": "f"}',
]


@pytest.mark.parametrize(
    "content",
    ["\n".join(TWICE), f"[{', '.join(TWICE)}]", "\n".join(TWICE).replace(", ", ",\n")],
    ids=["lines", "array", "over-several-lines"],
)
def test_key_that_is_there_twice_is_a_fault_where_it_is_asked_for(tmp_path, content):
    """Which of its values is meant is not known; of another key it does not matter."""
    rows = read(write_bytes(tmp_path / "a.json", content.encode()))

    assert cells(rows) == [
        "more than one key text",
        (2, "b"),
        "more than one key id",
        "more than one key text.body",
        "more than one key text.by.name",
        (7, "f"),
    ]
    assert rows[0].excerpt == '{"id": 1, "text": ""}'


def test_key_on_a_path_that_is_there_twice_is_a_fault(tmp_path):
    """Also where only one of the two objects has the field; not where a column is called so."""
    lines = [
        '{"review": {"body": "a"}}',
        '{"review": {"body": "b"}, "review": {}}',
        '{"review": {"body": "c", "body": "d", "by": 1}}',
        '{"review": {"body": "e", "by": 1, "by": 2}}',
        '{"review": 1, "review": 2, "review.body": "f"}',
    ]
    rows = read(write_bytes(tmp_path / "a.jsonl", "\n".join(lines).encode()), ["review.body"])

    twice = ["more than one key review", "more than one key review.body"]
    assert cells(rows) == [("a",), *twice, ("e",), ("f",)]


def test_key_of_a_literal_that_is_there_twice_is_a_fault(tmp_path):
    """As in JSON, whose first dumps were written so."""
    lines = [
        "{'id': 1, 'text': 'a'}",
        "{'id': 2, 'text': 'b', u'text': None}",
        "{'id': ({'n': 1, 'n': 2},), 'text': 'c'}",
        "{'id': (-1, {2}), 'text': 'd', 'more': {'x': 1, 'x': 1}}",
    ]
    rows = read(write_bytes(tmp_path / "a.jsonl", "\n".join(lines).encode()))

    twice = ["more than one key text", "more than one key id.n"]
    assert cells(rows) == [(1, "a"), *twice, ((-1, {2}), "d")]
