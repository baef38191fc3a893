"""What a message says: what happened, what it means, and what to type. Plain text, and short."""

import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tasks.operations.notices.memory import Known, News, kind_of

MAX_TITLE, MAX_BODY = 120, 1_800  # characters: Discord refuses a text of more than 2,000
MAX_LINE = 300
SINGLY = 3  # of a kind; more are told together
NAMED = 8  # of those that are told together


@dataclass(frozen=True)
class Message:
    """A title in one line, and a text. is_bad: something is wrong, and not all well again."""

    title: str
    body: str
    is_bad: bool


def write_message(news: News, home: Path, at: datetime) -> Message:
    """The message that tells the news; at: an instant in UTC."""
    bad = [*_sections(news.new)]
    well = [f"Well again: {line}" for line in _well(news.well)]
    foot = (
        f"Told by Triptych on {socket.gethostname()}, {home}, {at:%Y-%m-%d %H:%M} UTC."
        " `triptych status` shows how everything stands."
    )
    return Message(
        shorten(f"Triptych: {_subject(news)}", MAX_TITLE),
        _join([*bad, *well], foot),
        is_bad=bool(news.new),
    )


def shorten(text: str, most: int) -> str:
    """In one line of at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _subject(news: News) -> str:
    if not news.new:
        many = len(news.well) > 1
        return f"well again: {f'{len(news.well)} troubles' if many else news.well[0].trouble.what}"
    if len(news.new) == 1:
        return news.new[0].trouble.what
    return f"{len(news.new)} troubles, first: {news.new[0].trouble.what}"


def _sections(new: Iterable[Known]) -> Iterator[str]:
    for kind, group in _by_kind(new).items():
        if len(group) <= SINGLY:
            yield from map(_section, group)
        else:
            since = min(each.since for each in group)
            yield (
                f"{len(group)} troubles of the kind {kind} since {since:%H:%M} UTC, first:"
                f" {_section(group[0])}\nThe others: {_names(group[1:])}"
            )


def _section(known: Known) -> str:
    trouble = known.trouble
    what, meaning, cure = (
        shorten(text, MAX_LINE) for text in (trouble.what, trouble.meaning, trouble.cure)
    )
    return f"{what}\nWhat it means: {meaning}\nWhat to do: {cure}"


def _well(well: Iterable[Known]) -> Iterator[str]:
    for kind, group in _by_kind(well).items():
        if len(group) <= SINGLY:
            yield from (f"no longer so: {shorten(each.trouble.what, MAX_LINE)}" for each in group)
        else:
            yield f"{len(group)} troubles of the kind {kind} are over: {_names(group)}"


def _by_kind(known: Iterable[Known]) -> dict[str, list[Known]]:
    groups: dict[str, list[Known]] = {}
    for each in known:
        groups.setdefault(kind_of(each.trouble.key), []).append(each)
    return groups


def _names(group: list[Known]) -> str:
    names = [each.trouble.key.partition(":")[2] or each.trouble.key for each in group[:NAMED]]
    more = len(group) - len(names)
    return ", ".join(shorten(name, 60) for name in names) + (f" and {more} more" if more else "")


def _join(sections: list[str], foot: str) -> str:
    """As many as a message takes; the first always, and how many there is no room for."""
    body, left = sections[0], MAX_BODY - len(foot) - 60
    body = body if len(body) <= left else f"{body[: left - 1]}…"
    for number, section in enumerate(sections[1:], start=1):
        if len(body) + len(section) > left:
            body += f"\n\n… and {len(sections) - number} more."
            break
        body += f"\n\n{section}"
    return f"{body}\n\n{foot}"
