"""The published night of a source: the one before becomes current again, in Parquet and SQL."""

from datetime import date

from tasks.operations.rollback.errors import RollbackError
from tasks.sentiment.run.taking_back import Nights, sources_of
from tasks.settings import Settings


def rollback_night(settings: Settings, source: str | None, to: date | None, dry: bool) -> list[str]:
    """Make an earlier night of a source the newest one, or a later one that was taken back.

    What an earlier call was killed in is done first; without `to` that is all then.

    Raises:
        RollbackError: there is no such night or source.
        SentimentError: a run of the source is at work, files are gone, or the database refuses.
    """
    nights = Nights(settings.home, _only_source(settings, source), settings.warehouse_url)
    name = nights.source
    with nights.held():
        finished = [] if dry else nights.finish()
        published, aside = nights.published(), nights.aside()
        done = [f"finished what was interrupted: {name} of {night}" for night in finished]
        if finished and to is None:
            return [*done, _current(name, published)]
        leaving, returning = _plan(name, published, aside, to)
        if not dry:
            for night in reversed(leaving):
                nights.take_back(night)
            for night in returning:
                nights.put_back(night)
            published = nights.published()
        else:
            published = sorted({*published, *returning} - {*leaving})
    would = "would be " if dry else ""
    return [
        *done,
        *(f"{would}taken back: {name} of {night}" for night in reversed(leaving)),
        *(f"{would}put back: {name} of {night}" for night in returning),
        _current(name, published),
    ]


def _plan(
    source: str, published: list[date], aside: list[date], to: date | None
) -> tuple[list[date], list[date]]:
    """The nights to take back and those to put back, each the oldest first."""
    current = max(published, default=date.min)
    if to is None:
        if len(published) < 2:
            raise RollbackError(
                f"{source} has no night before {current}" if published else f"no night of {source}"
            )
        to = published[-2]
    if to not in (*published, *aside):
        known = ", ".join(map(str, sorted({*published, *aside})[-5:])) or "none"
        raise RollbackError(f"no night {to} of {source}: the newest there are {known}")
    back = [night for night in aside if night not in published]
    if to in published:
        return [night for night in published if night > to], []
    return (
        [night for night in published if night > to],
        [night for night in back if night == to or current < night < to],
    )


def _only_source(settings: Settings, source: str | None) -> str:
    known = sources_of(settings.home)
    if source is not None and source in known:
        return source
    if not known:
        raise RollbackError(f"no night is published in {settings.home / 'sentiment' / 'scores'}")
    if source is not None:
        raise RollbackError(f"no night of {source} is published; there is {', '.join(known)}")
    if len(known) > 1:
        raise RollbackError(f"say of which source: --source {' or '.join(known)}")
    return known[0]


def _current(source: str, published: list[date]) -> str:
    return f"current night of {source}: {published[-1] if published else 'none'}"
