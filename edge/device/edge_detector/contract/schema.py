"""JSON into frozen dataclasses, by the types of their fields; and checks for their values.

Only what the manifest needs: text, numbers, truth values, choices, lists of one type or of a
fixed length, objects, optional values, and dataclasses of these. Nothing is converted but whole
numbers into fractions, and nothing is left out: a class lists exactly the keys of its object.
A dataclass checks its values when it is made, and names the field; the path to it is added here.
"""

import dataclasses
import json
import math
import re
import types
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal, NoReturn, TypeVar, get_args, get_origin, get_type_hints

from edge_detector.errors import ManifestError

T = TypeVar("T")

_KINDS = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}


def read_json(content: bytes) -> object:
    """The value of a JSON document.

    Raises:
        ManifestError: it is none, has a key twice, or a number that is none.
    """
    try:
        value: object = json.loads(
            content,
            object_pairs_hook=_unique,
            parse_float=_finite,
            parse_constant=_refuse_constant,
        )
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"the manifest is no proper JSON: {error}") from error
    return value


def read_value(value: object, kind: type[T], where: str) -> T:
    """Check a JSON value against a type and build what the type says.

    where: the path of the value, for messages.

    Raises:
        ManifestError: it is of another type, or the dataclass refuses it; the path is named.
    """
    read: T = _read(value, kind, where)
    return read


def check_match(field: str, value: str, pattern: re.Pattern[str], right: str) -> None:
    """Refuse a text that is not of a form; `right` describes it."""
    if not pattern.fullmatch(value):
        refuse(field, value, f"give {right}")


def check_text(field: str, value: str, longest: int) -> None:
    """Refuse what people could not read."""
    if not value or len(value) > longest or not value.isprintable() or value != value.strip():
        refuse(field, value, f"give 1 to {longest} printable signs without space around them")


def check_range(field: str, value: float, lowest: float, highest: float) -> None:
    """Refuse a number outside of a range, whose ends belong to it."""
    if not (math.isfinite(value) and lowest <= value <= highest):
        refuse(field, value, f"give {lowest:g} to {highest:g}")


def refuse(field: str, value: object, right: str) -> NoReturn:
    """Say that a field's value is wrong, and what would be right."""
    raise ManifestError(f"{field} is {str(value)[:200]!r}: {right}")


def _read(value: object, kind: Any, where: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _read_dataclass(value, kind, where)
    if origin is Literal:
        if not (isinstance(value, str) and value in arguments):
            _wrong(value, where, f"one of {', '.join(map(str, arguments))}")
        return value
    if origin is types.UnionType:
        (present,) = (one for one in arguments if one is not types.NoneType)
        return None if value is None else _read(value, present, where)
    if origin is tuple:
        return _read_tuple(value, arguments, where)
    if origin is Mapping:
        if not isinstance(value, dict):
            _wrong(value, where, "an object")
        return {key: _read(one, arguments[1], f"{where}[{key!r}]") for key, one in value.items()}
    if kind is object:
        return value
    return _read_scalar(value, kind, where)


def _read_dataclass(value: object, kind: type, where: str) -> Any:
    if not isinstance(value, dict):
        _wrong(value, where, "an object")
    hints = _hints(kind)
    for problem, keys in (
        ("is missing", hints.keys() - value.keys()),
        ("is no field of a manifest", value.keys() - hints.keys()),
    ):
        if keys:
            raise ManifestError(f"{_join(where, sorted(keys)[0])} {problem}")
    fields = {name: _read(value[name], hint, _join(where, name)) for name, hint in hints.items()}
    try:
        return kind(**fields)
    except ManifestError as error:
        raise ManifestError(_join(where, str(error))) from error


def _read_tuple(value: object, arguments: tuple[Any, ...], where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        _wrong(value, where, "a list")
    if arguments[-1] is Ellipsis:
        arguments = arguments[:1] * len(value)
    elif len(value) != len(arguments):
        _wrong(value, where, f"a list of {len(arguments)}")
    pairs = zip(value, arguments, strict=True)
    return tuple(_read(one, kind, f"{where}[{n}]") for n, (one, kind) in enumerate(pairs))


def _read_scalar(value: object, kind: type, where: str) -> object:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) < 2**53 else math.inf
    # True is an int to Python, and a fraction no whole number to anyone.
    if type(value) is not kind or (isinstance(value, float) and not math.isfinite(value)):
        _wrong(value, where, _KINDS[kind])
    return value


@lru_cache
def _hints(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _wrong(value: object, where: str, right: str) -> NoReturn:
    refuse(where or "the manifest", value, f"give {right}")


def _finite(number: str) -> float:
    value = float(number)
    return value if math.isfinite(value) else _refuse_constant(number)


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"{sorted({key for key in keys if keys.count(key) > 1})} is there twice")
    return values
