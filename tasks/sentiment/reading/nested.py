"""Fields in fields, by paths such as `review.body`. A column of just that name comes first.

An object that names a key twice has two values there, and none of them is the right one: where such
a key is asked for, the row is at fault.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from tasks.sentiment.errors import SourceError


class RepeatingObject(dict[str, object]):
    """An object that names keys more than once; it holds the last value of each."""

    __slots__ = ("repeated",)

    def __init__(self, pairs: Sequence[tuple[str, object]]) -> None:
        super().__init__(pairs)
        counts = Counter(name for name, _ in pairs)
        self.repeated = [name for name, count in counts.items() if count > 1]


def make_object(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    """The object of these keys and values, as JSON's decoder gives them."""
    found = dict(pairs)
    return found if len(found) == len(pairs) else RepeatingObject(pairs)


def repeated_key(record: Mapping[str, object], path: str) -> str | None:
    """The first key on the way to `path`, or in what lies there, that is named more than once."""
    repeated = record.repeated if isinstance(record, RepeatingObject) else ()
    if path in record:
        return path if path in repeated else _repeated_in(record[path], path)
    for head, rest in _splits(path):
        if head in repeated:
            return head
        inner = record.get(head)
        if isinstance(inner, Mapping) and (found := repeated_key(inner, rest)):
            return f"{head}.{found}"
    return None


def _repeated_in(value: object, place: str) -> str | None:
    left = [(place, value)]
    while left:
        place, item = left.pop()
        if isinstance(item, RepeatingObject):
            return f"{place}.{item.repeated[0]}"
        if isinstance(item, Mapping):
            left += [(f"{place}.{name}", inner) for name, inner in item.items()]
        elif isinstance(item, list | tuple):
            left += [(place, inner) for inner in item]
    return None


def has(record: Mapping[str, object], path: str) -> bool:
    """Whether an object has a field at `path`, null or not."""
    return path in record or any(
        isinstance(inner, Mapping) and has(inner, rest)
        for inner, rest in ((record.get(head), rest) for head, rest in _splits(path))
    )


def reach(record: Mapping[str, object], path: str) -> object:
    """The value at `path`; None where an object lacks a part of it."""
    if path in record:
        return record[path]
    for head, rest in _splits(path):
        inner = record.get(head)
        if isinstance(inner, Mapping) and (found := reach(inner, rest)) is not None:
            return found
    return None


def find_field(schema: pa.Schema | pa.StructType, path: str) -> list[pa.Field]:
    """The fields that lead to `path`, the outermost first; none if there is no such field.

    Raises: SourceError: a struct has two of that name.
    """
    if path in schema.names:
        if schema.names.count(path) > 1:
            raise SourceError(f"a struct has more than one field {path}")
        return [schema.field(path)]
    for head, rest in _splits(path):
        if head in schema.names and pa.types.is_struct(schema.field(head).type):
            field = schema.field(head)
            if inner := find_field(field.type, rest):
                return [field, *inner]
    return []


def _splits(path: str) -> Iterator[tuple[str, str]]:
    return ((path[:i], path[i + 1 :]) for i, character in enumerate(path) if character == ".")
