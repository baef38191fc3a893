"""YAML that people write: read strictly, and refused in one line that says what would be right."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from services.reporting.arguments import printable, suggest
from tasks.comparison.errors import ComparisonError

Model = TypeVar("Model", bound=BaseModel)
MAX_BYTES = 1_000_000  # what people write by hand is shorter; a data file named by mistake is not


class _Strict(yaml.SafeLoader):
    """Refuses a key that is written twice: which one was meant?"""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.MarkedYAMLError(
                    problem=f"{key} is written twice: write it once", problem_mark=node.start_mark
                )
        return super().construct_mapping(node, deep=deep)


def read_mapping(file: Path, error: type[ComparisonError]) -> dict[str, Any]:
    """The keys and values of a file; an empty file has none.

    Raises: `error`, in one line: it cannot be read, is no YAML, or holds no keys and values.
    """
    try:
        with file.open("rb") as handle:
            content = handle.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise error(f"{file}: more than {MAX_BYTES:,} bytes: is it the right file?")
        found = yaml.load(content.decode(), _Strict)
    except OSError as fault:
        raise error(f"{file}: {fault.strerror or fault}") from fault
    except UnicodeDecodeError as fault:
        raise error(f"{file}: it is no text in UTF-8") from fault
    except yaml.YAMLError as fault:
        raise error(f"{file}: {_where(fault)}") from fault
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise error(f"{file}: lines of the form `key: value` are expected")
    return found


def checked(
    file: Path, given: dict[str, Any], model: type[Model], error: type[ComparisonError]
) -> Model:
    """The values of a file as a model. Raises: `error`: a line with each fault, by its key."""
    try:
        return model.model_validate(given)
    except ValidationError as fault:
        lines = dict.fromkeys(_described(fault, model))
        raise error("; ".join(f"{file}: {line}" for line in lines)) from fault


def _described(fault: ValidationError, model: type[BaseModel]) -> Iterator[str]:
    for each in fault.errors(include_url=False):
        yield _describe(each, model)


def _describe(fault: ErrorDetails, model: type[BaseModel]) -> str:
    """What is wrong with a key, and its nearest right word."""
    place = [str(part) for part in fault["loc"]]
    name, message = ".".join(place), fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        known = _fields_at(model, place[:-1])
        nearest = suggest(place[-1], [key.replace("_", "-") for key in known]).replace("-", "_")
        return f"{printable(name)} is no key{nearest or ': there are ' + ', '.join(known)}"
    if fault["type"] == "missing":
        return f"{name} is missing"
    if fault["type"] == "literal_error":
        words = re.findall(r"'([^']+)'", fault["ctx"]["expected"])
        nearest = suggest(str(fault["input"]), words)
        return f"{name}: {printable(str(fault['input']))} is not one of {', '.join(words)}{nearest}"
    return f"{name}: {message}" if name else message


def _fields_at(model: type[BaseModel], place: list[str]) -> list[str]:
    """The names of a model's fields, or of the model that lies at a place in it."""
    for part in place:
        field = model.model_fields.get(part)
        inner = field.annotation if field else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return list(model.model_fields)


def _where(fault: yaml.YAMLError) -> str:
    mark = getattr(fault, "problem_mark", None)
    problem = getattr(fault, "problem", None) or "it is no YAML"
    return f"line {mark.line + 1}: {problem}" if mark else f"it is no YAML: {problem}"
