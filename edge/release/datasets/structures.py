"""YAML, JSON and literals of Python whose keys are each there once: their readers keep the last.

A key that is there twice with the same value is no fault.
"""

import ast
import json
from collections.abc import Sequence
from typing import Any, TypeVar

import yaml

Key = TypeVar("Key", str, int)


class DoubledKeyError(ValueError):
    """A key has two values; says which."""

    def __init__(self, key: object, first: object, second: object) -> None:
        super().__init__(
            f"gives {key} twice, as {_shorten(first)} and as {_shorten(second)}; each has its own"
        )


def unique_keys(pairs: Sequence[tuple[Key, Any]]) -> dict[Key, Any]:
    """Keys and their values.

    Raises: DoubledKeyError: a key has two values.
    """
    found: dict[Key, Any] = {}
    for key, value in pairs:
        if found.setdefault(key, value) != value:
            raise DoubledKeyError(key, found[key], value)
    return found


def load_yaml(text: str) -> Any:
    """All scalars stay text: `no` and `007` may be names.

    Raises:
        DoubledKeyError: a key has two values.
        yaml.YAMLError: it is no YAML.
    """
    return yaml.load(text, Loader=_Loader)  # builds nothing but text, lists and maps


def load_json(text: str) -> Any:
    """Raises:
    DoubledKeyError: a key has two values.
    ValueError: it is no JSON.
    """
    return json.loads(text, object_pairs_hook=unique_keys)


def load_literal(text: str) -> Any:
    """A literal of Python.

    Raises:
        DoubledKeyError: a key has two values.
        ValueError, SyntaxError: it is none.
    """
    for node in ast.walk(ast.parse(text.strip(), mode="eval")):
        if isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            unique_keys([(ast.unparse(key), ast.unparse(value)) for key, value in pairs if key])
    return ast.literal_eval(text.strip())


class _Loader(yaml.BaseLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        unique_keys(
            [
                (str(key.value), self.construct_object(value, deep=True))
                for key, value in node.value
                if isinstance(key, yaml.ScalarNode)
            ]
        )
        return super().construct_mapping(node, deep)


def _shorten(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
