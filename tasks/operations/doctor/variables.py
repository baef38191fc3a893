"""The variables TRIPTYCH_…: those that nothing reads, and values that make no sense."""

import difflib
import os
from collections.abc import Iterator, Mapping
from typing import get_args

from pydantic import AliasChoices, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from edge.fleet.settings import ServerSettings
from services.fraud.settings import ServiceSettings
from tasks.operations.doctor.check import Check, fault, ok
from tasks.operations.stack.ports import DEFAULTS
from tasks.sentiment.service.settings import SentimentSettings
from tasks.settings import Settings

PREFIX = "TRIPTYCH_"
KINDS: tuple[type[BaseSettings], ...] = (
    *(Settings, ServiceSettings, ServerSettings, SentimentSettings),
)
_OTHERS = (  # that the stack, its images and its scripts read
    *DEFAULTS,
    *("TRIPTYCH_CAMERA", "TRIPTYCH_DEVICE_KEY", "TRIPTYCH_SECRETS", "TRIPTYCH_REVIEWS"),
)


def known_variables() -> tuple[str, ...]:
    """All that something reads."""
    fields = {name for kind in KINDS for name, _ in _fields(kind)}
    files = {f"{name}_FILE" for name in (*secret_variables(), "TRIPTYCH_DEVICE_KEY")}
    return tuple(sorted(fields | files | set(_OTHERS)))


def secret_variables() -> tuple[str, ...]:
    """Those settings that hold secrets, addresses with a password in them among these."""
    found = {name for kind in KINDS for name, field in _fields(kind) if _is_secret(field)}
    return tuple(sorted(found))


def check_variables(environment: Mapping[str, str] = os.environ) -> Iterator[Check]:
    """Each that is set."""
    known = known_variables()
    given = sorted(name for name in environment if name.startswith(PREFIX))
    found = [_unknown(name, known) for name in given if name not in known]
    found += [check for kind in KINDS for check in _check_values(kind)]
    yield from dict.fromkeys(found)
    if not found:
        told = ", ".join(given) if given else "none is set, everything is at its default"
        yield ok("settings", told)


def _fields(kind: type[BaseSettings]) -> Iterator[tuple[str, FieldInfo]]:
    """The variable that each is read from."""
    for name, field in kind.model_fields.items():
        alias = field.validation_alias
        assert not isinstance(alias, AliasChoices)
        yield (str(alias) if alias else f"{PREFIX}{name}").upper(), field


def _is_secret(field: FieldInfo) -> bool:
    return SecretStr in (field.annotation, *get_args(field.annotation))


def _unknown(name: str, known: tuple[str, ...]) -> Check:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
    cure = f"write {near[0]}, or unset {name}" if near else f"unset {name}"
    meant = f"; did you mean {near[0]}?" if near else ""
    return fault(
        "settings",
        f"{name} is set, and nothing reads it{meant}",
        "what was meant by it is not so: the default counts",
        f"{cure}; deployments/REFERENCE.md lists all",
    )


def _check_values(kind: type[BaseSettings]) -> Iterator[Check]:
    """Values are not shown: some are secrets."""
    try:
        kind()
    except ValidationError as error:
        for each in error.errors():
            field = str(each["loc"][0]) if each["loc"] else "a setting"
            name = field if field.startswith(PREFIX) else f"{PREFIX}{field.upper()}"
            yield fault(
                "settings",
                f"{name}: {each['msg'].removeprefix('Value error, ')}",
                "what reads it does not start",
                f"correct {name}, or unset it",
            )
