"""What values of headers mean, as HTTP says: names in any case, lists, parameters, weights."""

from collections.abc import Sequence

Pairs = Sequence[tuple[bytes, bytes]]


def joined(headers: Pairs, name: bytes) -> str:
    """A list that may come in several headers of one name, which stands in lower case."""
    return ",".join(value.decode("latin-1") for key, value in headers if key == name)


def tokens(value: str) -> list[str]:
    """The elements of a list of names, in lower case."""
    return [element for part in value.split(",") if (element := part.strip().lower())]


def media_type(value: str) -> str:
    """A media type without its parameters, in lower case."""
    return value.partition(";")[0].strip().lower()


def is_identity(content_encoding: str) -> bool:
    """Whether a body is as it is, and not packed."""
    return all(token == "identity" for token in tokens(content_encoding))


def prefers_json(accept: str, *, otherwise: bool) -> bool:
    """Whether JSON is asked for rather than Arrow; `otherwise` where it is left open."""
    as_json, as_arrow = _weight(accept, "json"), _weight(accept, "arrow")
    if as_json == as_arrow:
        return as_json[1] or otherwise  # named both, JSON is what everybody can read
    return as_json > as_arrow


def _weight(accept: str, kind: str) -> tuple[float, bool]:
    """How much a kind of media type is wanted, and whether by its name."""
    by_name: list[float] = []
    by_range = [0.0]
    for part in tokens(accept):
        name, _, parameters = part.partition(";")
        if kind in name:
            by_name.append(_quality(parameters))
        elif name.strip() in ("*/*", "application/*"):
            by_range.append(_quality(parameters))
    return (max(by_name), max(by_name) > 0) if by_name else (max(by_range), False)


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0
