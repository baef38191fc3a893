"""JSON into frozen dataclasses, by the types of their fields and by rules for their values.

Only what the contract needs: text, numbers, truth values, instants, choices, lists of one type or
of a fixed length, objects, optional values, and dataclasses of these. `Annotated[int, Range(0, 9)]`
is a type with a rule. Nothing is converted but whole numbers into fractions and text into instants.
A dataclass may check more when it is made. Every error names the path to the field.
"""

import dataclasses
import json
import math
import types
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import (
    Annotated,
    Any,
    Literal,
    NoReturn,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from edge_detector.contract.rules import Range, Rule, refuse
from edge_detector.errors import SchemaError

T = TypeVar("T")
Reader = Callable[[object], Any]

_UNIONS = (types.UnionType, Union)  # the latter: of what has rules
_KINDS = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}


def read_json(content: bytes, name: str) -> object:
    """The value of a JSON document; name: of the document, for messages.

    Raises:
        SchemaError: it is none, has a key twice, or a number that is none.
    """
    return _loads(content, name, object_pairs_hook=_unique, parse_float=_finite)


def read_json_line(content: bytes, name: str) -> object:
    """The same, quicker: of a key that is there twice, the last value counts.

    Raises:
        SchemaError: it is no JSON, or has a constant that is no number.
    """
    return _loads(content, name)


def read_value(value: object, kind: type[T], name: str, *, lenient: bool = False) -> T:
    """Check a JSON value against a type and build what the type says.

    Args:
        name: of the whole, for messages.
        lenient: keys that no field has are left out, and a field with a default may be missing: for
            what programs of other versions write. Otherwise the keys are exactly the fields.

    Raises:
        SchemaError: it is of another type, breaks a rule, or the dataclass refuses it; names the
            path of the field.
    """
    try:
        read: T = _reader(kind, lenient)(value)  # type: ignore[arg-type]  # types have a hash
    except SchemaError as error:
        raise error if error.field else error.within(name) from error
    return read


def plain_type(kind: Any) -> tuple[Any, bool]:
    """A field's type without rules, and whether the field may be null."""
    if get_origin(kind) is Annotated:
        return plain_type(get_args(kind)[0])
    if get_origin(kind) in _UNIONS:
        (present,) = (choice for choice in get_args(kind) if choice is not types.NoneType)
        return plain_type(present)[0], True
    return kind, False


def field_types(kind: type) -> Mapping[str, Any]:
    """The types of a dataclass's fields, with their rules."""
    return get_type_hints(kind, include_extras=True)


@cache
def _reader(kind: Any, lenient: bool) -> Reader:
    """What reads values of a type: put together once, as records come by the thousand."""
    origin, arguments = get_origin(kind), get_args(kind)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _dataclass_reader(kind, lenient)
    if origin is Annotated:
        read_ruled = _ruled_reader(_reader(arguments[0], lenient), arguments[1:])
        if isinstance(arguments[1], Range) and len(arguments) == 2:
            return _number_reader(arguments[0], arguments[1], read_ruled)
        return read_ruled
    if origin is Literal:
        return _choice_reader(arguments)
    if origin in _UNIONS:
        (present,) = (choice for choice in arguments if choice is not types.NoneType)
        read_present = _reader(present, lenient)
        return lambda value: None if value is None else read_present(value)
    if origin is tuple:
        return _list_reader(arguments, lenient)
    if origin is Mapping:
        return _object_reader(_reader(arguments[0], lenient), _reader(arguments[1], lenient))
    if kind is object:
        return lambda value: value
    return _read_instant if kind is datetime else _scalar_reader(kind)


def _dataclass_reader(kind: type, lenient: bool) -> Reader:
    readers = {name: _reader(hint, lenient) for name, hint in field_types(kind).items()}
    required = frozenset(
        field.name
        for field in dataclasses.fields(kind)
        if not lenient or field.default is dataclasses.MISSING
    )

    def read(value: object) -> object:
        if not isinstance(value, dict):
            _refuse_kind(value, "an object")
        if not required <= value.keys():
            raise SchemaError(min(required - value.keys()), "is missing")
        if not lenient and value.keys() - readers.keys():
            raise SchemaError(min(value.keys() - readers.keys()), "is no field here")
        fields = {}
        name = ""
        try:
            for name, read_field in readers.items():
                if name in value:
                    fields[name] = read_field(value[name])
        except SchemaError as error:
            raise error.within(name) from error
        return kind(**fields)

    return read


def _ruled_reader(read_plain: Reader, rules: tuple[Rule, ...]) -> Reader:
    def read(value: object) -> object:
        plain = read_plain(value)
        for rule in rules:
            if not rule.accepts(plain):
                _refuse_kind(value, rule.right)
        return plain

    return read


def _number_reader(kind: type, rule: Range, read_other: Reader) -> Reader:
    """The same as `read_other`, quicker for what is right: most of a record are numbers."""
    lowest, highest = rule.lowest, rule.highest

    def read(value: Any) -> object:
        is_number = type(value) is kind
        return value if is_number and lowest <= value <= highest else read_other(value)

    return read


def _choice_reader(choices: tuple[object, ...]) -> Reader:
    kinds = {type(choice) for choice in choices}  # True is not 1 here

    def read(value: object) -> object:
        if type(value) not in kinds or value not in choices:
            _refuse_kind(value, f"one of {', '.join(map(str, choices))}")
        return value

    return read


def _list_reader(arguments: tuple[Any, ...], lenient: bool) -> Reader:
    length = None if arguments[-1] is Ellipsis else len(arguments)
    kinds = arguments[:1] if length is None else arguments
    readers = [_reader(kind, lenient) for kind in kinds]

    def read(value: object) -> tuple[object, ...]:
        if not isinstance(value, list):
            _refuse_kind(value, "a list")
        if length is not None and len(value) != length:
            _refuse_kind(value, f"a list of {length}")
        places = readers if length is not None else readers * len(value)
        entries = []
        for number, (read_entry, entry) in enumerate(zip(places, value, strict=True)):
            try:
                entries.append(read_entry(entry))
            except SchemaError as error:
                raise error.within(f"[{number}]") from error
        return tuple(entries)

    return read


def _object_reader(read_key: Reader, read_entry: Reader) -> Reader:
    def read(value: object) -> dict[str, object]:
        if not isinstance(value, dict):
            _refuse_kind(value, "an object")
        entries = {}
        key = ""
        try:
            for key, entry in value.items():
                entries[read_key(key)] = read_entry(entry)
        except SchemaError as error:
            raise error.within(f"[{key!r}]") from error
        return entries

    return read


def _scalar_reader(kind: type) -> Reader:
    def read(value: object) -> object:
        if kind is float and type(value) is int:
            value = float(value) if abs(value) < 2**53 else math.inf
        # True is an int to Python, and a fraction no whole number to anyone.
        if type(value) is not kind or (type(value) is float and not math.isfinite(value)):
            _refuse_kind(value, _KINDS[kind])
        return value

    return read


def _read_instant(value: object) -> datetime:
    try:
        instant = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        _refuse_kind(value, "a time with its zone: 2026-01-31T12:00:00Z")
    return instant


def _refuse_kind(value: object, right: str) -> NoReturn:
    """Refuse a value whose place the caller knows."""
    refuse("", value, f"give {right}")


def _loads(content: bytes, name: str, **hooks: Any) -> object:
    try:
        value: object = json.loads(content, parse_constant=_refuse_constant, **hooks)
    except (ValueError, RecursionError) as error:
        raise SchemaError(name, f"is no proper JSON: {error}", "is no proper JSON") from error
    return value


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
