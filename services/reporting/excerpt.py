"""Text from outside, made fit to be shown in a log line, a table cell or a page."""


def excerpt(text: str, limit: int) -> str:
    """At most `limit` characters, on one line, without any that control a page or a terminal.

    Lone surrogates cannot be written as UTF-8, and direction overrides reorder what stands
    beside them; the joiner inside an emoji stays.
    """
    head = text[: limit + 1]
    head = "".join(c if c.isprintable() or c == "\u200d" else " " for c in head)
    return head if len(text) <= limit else head[: limit - 1].rstrip() + "…"
