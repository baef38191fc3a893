"""Markdown for people: text from outside is escaped; and tables.

Promise: escaped text cannot end a table cell or a line, style anything, or become a link.
"""

import re
from collections.abc import Sequence

from services.reporting.excerpt import excerpt

_MARKUP = re.compile(r"([\\`*_{}\[\]()#+\-!|~])")
_WWW = re.compile(r"(www)\.", re.IGNORECASE)


def escape(text: str, limit: int = 600) -> str:
    """Text as it is, in a paragraph or table cell: one line, no mark-up, no link.

    limit: characters, before escaping; a longer text ends with "…".
    """
    line = " ".join(excerpt(text, limit).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # An address is made a link wherever it stands; an entity in its middle keeps it text.
    line = _MARKUP.sub(r"\\\1", line).replace("://", "&#58;//").replace("@", "&#64;")
    return _WWW.sub(r"\1&#46;", line)


def format_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; cells from outside have to be escaped before."""
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, ("---",) * len(head), *rows)]
    return "\n".join(lines)
