"""Figures as people read them."""


def integer(value: float) -> str:
    """12345 -> 12,345."""
    return f"{value:,.0f}"


def counted(number: float, noun: str, nouns: str | None = None) -> str:
    """1 row, 1,200 rows.

    nouns: of more than one; by default with an s.
    """
    return f"{integer(number)} {noun if number == 1 else nouns or f'{noun}s'}"


def percent(share: float | None) -> str:
    """0.8412 -> 84.1 %, and a dash where there is no share."""
    return "–" if share is None else f"{share * 100:.1f} %"


def points(change: float) -> str:
    """A difference of shares: 0.012 -> +1.2 points."""
    return f"{change * 100:+.1f} points".replace("-", "−")


def rate(per_second: float | None) -> str:
    """Reviews per second with three figures or so."""
    if per_second is None:
        return "–"
    return f"{per_second:,.0f}" if per_second >= 100 else f"{per_second:.1f}"


def duration(seconds: float) -> str:
    """45.2 -> 45 s, 725 -> 12 min 5 s, 7384 -> 2 h 3 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
