"""A body that is one long list in JSON, cut into pieces that are parsed one after another.

A parser holds Python's lock from its first byte to its last: 0.3 s for 8 MiB, in which no other
request is answered, not even a probe, whichever thread it runs in. Between two pieces the lock is
let go. Only brackets and strings are looked at here; whether a piece is JSON, its parser says.
"""

import re
from collections.abc import Iterator

from pydantic_core import from_json

PIECE_BYTES = 32 * 2**10
LARGEST_ELEMENT = 64 * 2**10  # none that is right comes near
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}"]', re.DOTALL)
_HEAD = re.compile(rb'\s*\{\s*("(?:[^"\\]|\\.)*+")\s*:\s*\[')
_TAIL = re.compile(rb"\s*(?P<next>\}|,)?")


class OtherShape(ValueError):
    """It is no object of one list."""


class NoJson(ValueError):
    """Brackets, strings or commas are not where they have to be."""


def pieces(body: bytes, key: str) -> Iterator[bytes]:
    """The elements of `{key: [...]}`, some in each piece, which is a list in JSON itself.

    An element of more than LARGEST_ELEMENT stands as null in its place.

    Raises: OtherShape, NoJson.
    """
    head = _HEAD.match(body)
    if head is None or from_json(head[1]) != key:
        _check_brackets(body)
        raise OtherShape
    end = head.end()
    is_first = True
    for begin, end, is_huge in _runs(body, head.end()):
        run = body[begin:end]
        is_last = body[end] != ord(",")
        if not run.strip() and not (is_first and is_last):
            raise NoJson("an element is missing")
        is_first = False
        yield b"[null]" if is_huge else b"[%b]" % run
    tail = _TAIL.match(body, end + 1)
    if tail is None or tail["next"] is None:
        raise NoJson("the object has no end")
    if tail["next"] == b",":
        _check_brackets(body)
        raise OtherShape
    if body[tail.end() :].strip():
        raise NoJson("something follows the object")


def _check_brackets(body: bytes) -> None:
    """Raises: NoJson: brackets or strings have no other end, which no JSON has."""
    ends = {b"[": b"]", b"{": b"}"}
    expected: list[bytes] = []
    for token in _TOKEN.finditer(body):
        byte = body[token.start() : token.start() + 1]
        if byte in ends:
            expected.append(ends[byte])
        elif byte != b'"' and (not expected or expected.pop() != byte):
            raise NoJson("a bracket has no other end")
        elif byte == b'"' and token.end() == token.start() + 1:
            raise NoJson("a string has no end")
    if expected:
        raise NoJson("a bracket has no other end")


def _runs(body: bytes, start: int) -> Iterator[tuple[int, int, bool]]:
    """Where runs of whole elements begin and end, and whether it is a single one that is huge.

    Each ends at a comma, the last one at the end of the list.

    Raises: NoJson.
    """
    depth, begin, opened, whole = 0, start, start, start
    is_huge = False
    for token in _TOKEN.finditer(body, start):
        at, byte = token.start(), body[token.start() : token.start() + 1]
        if depth == 0:  # since `whole`, there are numbers and words, and commas between elements
            for comma in _cuts(body, begin, whole, at, is_huge):
                yield begin, comma, is_huge
                begin, is_huge = comma + 1, False
            if byte == b"]":
                yield begin, at, is_huge
                return
            opened = at
        depth += (byte in b"[{") - (byte in b"]}")
        if depth < 0 or (byte == b'"' and token.end() == at + 1):
            raise NoJson("a bracket or a string has no other end")
        if depth == 0:
            if token.end() - opened > LARGEST_ELEMENT:
                comma = body.rfind(b",", max(whole, begin), opened)
                if comma >= 0:
                    yield begin, comma, is_huge
                    begin = comma + 1
                is_huge = True
            whole = token.end()
    raise NoJson("the list has no end")


def _cuts(body: bytes, begin: int, whole: int, at: int, is_huge: bool) -> Iterator[int]:
    """Commas at which to end runs that began at `begin`, where only scalars follow `whole`."""
    if is_huge:
        comma = body.find(b",", whole, at)
        if comma < 0:
            return
        yield comma
        begin = comma + 1
    while at - begin > PIECE_BYTES:
        after = max(whole, begin)
        comma = body.rfind(b",", after, min(at, max(after, begin + PIECE_BYTES)))
        if comma < 0:
            comma = body.find(b",", after, at)
        if comma < 0:
            return
        yield comma
        begin = comma + 1
