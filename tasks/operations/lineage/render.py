"""A tree of origins for the terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from tasks.operations.lineage.node import Match, Node


def render_tree(node: Node) -> RenderableType:
    """The thing, below it the facts and what made it, and at the end what else came of it.

    Lines are not cut to the terminal, as `rich.tree` would: ids are to be copied.
    """
    return Group(_headline(node), *_branches(node, ""))


def render_matches(asked: str, matches: list[Match], program: str) -> RenderableType:
    """Several things that an id may mean, each with the command that shows it."""
    lines = [Text(f"{asked} may be {len(matches)} things; ask for one:")]
    width = max(len(match.kind) for match in matches)
    for match in matches:
        command = f"{program} {_quoted(match.id)} --as {match.kind}"
        lines.append(Text(f"  {match.kind.ljust(width)}  {match.what}\n    {command}"))
    return Group(*lines)


def _quoted(word: str) -> str:
    safe = word.replace("-", "").replace("_", "").replace("/", "").replace(":", "")
    return word if safe.replace(".", "").isalnum() else "'" + word.replace("'", "'\\''") + "'"


def _headline(node: Node) -> Text:
    line = Text(f"{node.kind} ", style="bold")
    if node.id is not None:
        return line.append(node.id, style="not bold")
    return line.append(f"not recorded: {node.why}", style="yellow not bold")


def _branches(node: Node, before: str) -> Iterator[Text]:
    """The lines below a thing; before: what stands left of them."""
    facts = [_fact(name, value) for name, value in node.facts.items() if not _is_empty(value)]
    also = [
        _fact(f"also: {name}", value)
        for name, value in node.also.items()
        if not _is_empty(value) and value != 0
    ]
    parts: list[tuple[Text, Node | None]] = [(fact, None) for fact in facts]
    parts += [(_headline(made), made) for made in node.made_by]
    parts += [(line, None) for line in also]
    for place, (line, made) in enumerate(parts, start=1):
        corner, below = ("└── ", "    ") if place == len(parts) else ("├── ", "│   ")
        yield Text.assemble((before + corner, "dim"), line)
        if made is not None:
            yield from _branches(made, before + below)


def _is_empty(value: Any) -> bool:
    return value is None or value in ("", {}, [])


def _fact(name: str, value: Any) -> Text:
    return Text.assemble((f"{name}: ", "dim"), _plain(value))


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(one)}" for key, one in value.items())
    if isinstance(value, list | tuple):
        return "; ".join(map(_plain, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
