"""Types of flow parameters: a day, a time, a path of this machine, and options that moved.

Each refuses what pydantic alone would read as something else: a bare number is no day, though
pydantic takes it for seconds, and an address is no path.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, model_validator

from tasks.sentiment.errors import SourceError
from tasks.sentiment.reading.remote.address import refuse_others, refuse_secrets, scheme_of

_NUMBER = re.compile(r"\s*[-+]?[0-9][0-9_.]*\s*")
_SHORT_HOUR = re.compile(r"[0-9]:[0-9]{2}(?::[0-9]{2})?")
_EARLIEST_ZONE = timedelta(hours=14)  # where a day begins first, UTC+14


def _no_number(what: str) -> BeforeValidator:
    """Refuses a bare number, which would be read as seconds since 1970; says what to write."""

    def refuse(given: Any) -> Any:
        if isinstance(given, int | float) or (isinstance(given, str) and _NUMBER.fullmatch(given)):
            raise ValueError(f"{given} is no {what}")
        return given

    return BeforeValidator(refuse)


def _two_digits(given: Any) -> Any:
    """Refuses 5:30, which pydantic finds too short."""
    if isinstance(given, str) and _SHORT_HOUR.fullmatch(given.strip()):
        raise ValueError(f"{given} has an hour of one digit: write it as 0{given.strip()}")
    return given


def _not_after_tomorrow(day: date) -> date:
    """Refuses a day that is later than tomorrow in every time zone. Results of a later run date
    win, so one with a slip of the pen in it would hide those of all nights until then."""
    tomorrow = (datetime.now(UTC) + _EARLIEST_ZONE).date() + timedelta(days=1)
    if day > tomorrow:
        raise ValueError(f"{day} is in the future: give a day up to {tomorrow}")
    return day


def _no_address(given: Any) -> Any:
    """What was given, unless it is an address, which may hold a password: it is not repeated.

    Raises: ValueError: names the scheme and the way out.
    """
    scheme = scheme_of(given) if isinstance(given, str) else None
    if scheme is None:
        return given
    if scheme == "file":
        raise ValueError("give the path alone, without file://")
    raise ValueError(f"{scheme}:// addresses are not read: copy it to this machine first")


def _no_secret(given: str) -> str:
    """A source, unless it is an address with a password or signature in it, or of a kind that is
    not read, which may hold one.

    Raises: ValueError: says where that belongs, or what is read.
    """
    try:
        refuse_others(given)
        refuse_secrets(given)
    except SourceError as error:
        raise ValueError(str(error)) from None
    return given


Day = Annotated[date, _no_number("day: write it as 2026-11-22")]
RunDay = Annotated[Day, AfterValidator(_not_after_tomorrow)]  # whose results become current
Moment = Annotated[datetime, _no_number("moment: write it as 2026-11-22T08:00")]
TimeOfDay = Annotated[
    time, BeforeValidator(_two_digits), _no_number("time of day: write it as 05:30, in quotes")
]
LocalPath = Annotated[Path, BeforeValidator(_no_address)]
LocalName = Annotated[str, AfterValidator(_no_address)]  # a path, or a name of ours
SourceReference = Annotated[str, AfterValidator(_no_secret)]  # a path, an address or a query


class FlowParameters(BaseModel):
    """Base of the parameters of a flow; a name that none of them has is refused.

    So is an option that another flow has now, with the command that takes its place.
    """

    # What is refused may hold a secret: an error does not repeat it.
    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), hide_input_in_errors=True
    )

    moved_to: ClassVar[str] = ""  # the flow that has them
    moved: ClassVar[tuple[str, ...]] = ()  # their names
    moved_with: ClassVar[tuple[str, ...]] = ()  # options of both flows, to be handed on

    @classmethod
    def renamed(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """The options under the names that the other flow has for them."""
        return {name: given[name] for name in (*cls.moved, *cls.moved_with) if name in given}

    @classmethod
    def where_moved(cls, given: Mapping[str, Any], program: str = "") -> str | None:
        """Where the first moved option went, with the new command; None: none was given.

        program: the command that was called; the new one is written in the same way.
        """
        asked = [name for name in cls.moved if given.get(name) not in (None, False)]
        if not asked:
            return None
        words = ["python", "-m", f"flows.{cls.moved_to}"]
        if program.startswith("triptych "):
            words = ["triptych", cls.moved_to.replace("_", "-")]
        for name, value in cls.renamed(given).items():
            if value not in (None, False):
                words += [_option(name)] if value is True else [_option(name), str(value)]
        return f"{_option(asked[0])} has moved to {cls.moved_to}: {shlex.join(words)}"

    @model_validator(mode="before")
    @classmethod
    def _refuse_moved(cls, given: Any) -> Any:
        if isinstance(given, dict) and (line := cls.where_moved(given)):
            raise ValueError(line)
        return given


def require_one(params: BaseModel, actions: Sequence[str]) -> None:
    """Raises: ValueError: not exactly one of these parameters is given."""
    if sum(bool(getattr(params, name)) for name in actions) != 1:
        raise ValueError(f"give exactly one of {', '.join(map(_option, actions))}")


def name_action(given: Mapping[str, Any], actions: Sequence[str]) -> str:
    """The action that was asked for and what it is about, for the name of a run."""
    name = next(name for name in actions if given.get(name))
    action, value = name.replace("_", "-"), given[name]
    return action if value is True else f"{action} {value}"


def options_in(arguments: Sequence[str]) -> dict[str, str | bool]:
    """The options among the words of a command line, by name; True: without a value."""
    found: dict[str, str | bool] = {}
    for word, following in zip(arguments, [*arguments, "--"][1:], strict=True):
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            bare = following.startswith("--")
            found[name.replace("-", "_")] = value if equals else bare or following
    return found


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
