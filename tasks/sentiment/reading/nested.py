"""Fields in fields, by paths such as `review.body`. A column of just that name comes first."""

from collections.abc import Iterator, Mapping

import pyarrow as pa


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
    """The fields that lead to `path`, the outermost first; none if there is no such field."""
    if path in schema.names:
        return [schema.field(path)]
    for head, rest in _splits(path):
        if head in schema.names and pa.types.is_struct(schema.field(head).type):
            field = schema.field(head)
            if inner := find_field(field.type, rest):
                return [field, *inner]
    return []


def _splits(path: str) -> Iterator[tuple[str, str]]:
    return ((path[:i], path[i + 1 :]) for i, character in enumerate(path) if character == ".")
