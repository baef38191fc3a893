"""Names that an object in JSON holds twice: parsers take the last one, and say nothing.

A body is parsed into types that know every name it may hold, so that it holds one twice if it
has more names than fields were set. Only then is it looked at closely.
"""

import json
import re
from typing import Any

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"(\s*:)?', re.DOTALL)


def count_names(body: bytes) -> int:
    """How many names there are in JSON that has been parsed."""
    return sum(map(bool, _STRING.findall(body)))


def repeated_name(body: bytes) -> str:
    """The first name that an object holds twice; empty if none does."""
    repeated: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> None:
        names = [name for name, _ in pairs]
        repeated.extend(name for name in names if names.count(name) > 1)

    json.loads(body, object_pairs_hook=look)
    return repeated[0] if repeated else ""
