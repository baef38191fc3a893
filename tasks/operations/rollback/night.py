"""The published night of a source: the one before becomes current again, in Parquet and SQL."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from services.reporting.figures import counted
from tasks.operations.rollback.errors import RollbackError
from tasks.sentiment.run.taken_back import Copy, sources_of
from tasks.sentiment.run.taking_back import Nights
from tasks.settings import Settings


@dataclass(frozen=True)
class Plan:
    """What is to change. leaving, returning: nights, each the oldest first; run_id: of the last of
    those that return, or None: what was taken back last."""

    leaving: Sequence[date]
    returning: Sequence[date]
    run_id: str | None = None


def rollback_night(
    settings: Settings, source: str | None, to: date | None, run: str | None, dry: bool
) -> list[str]:
    """Make an earlier night of a source the newest one, or a later one that was taken back.

    What an earlier call was killed in is done first; without `to` that is all then.

    Args:
        run: how the run of the night begins that is meant, where several were taken back.

    Raises:
        RollbackError: there is no such night or source.
        SentimentError: a run of the source is at work, files are gone or damaged, or the database
            refuses.
    """
    chosen = _only_source(settings, source)
    nights = Nights(settings.home, chosen, settings.warehouse_url, settings.scores_url)
    name = nights.source
    with nights.held():
        interrupted = nights.unfinished() if dry else nights.finish()
        published, aside = _when_finished(nights, interrupted)
        done = [_of_interrupted(copy, dry) for copy in interrupted]
        if interrupted and to is None:
            lost = sum(copy.lost for copy in interrupted if copy.state == "leaving")
            return [*done, *_of_lost(lost, dry), _current(name, published)]
        plan = _plan(nights, published, aside, to, run)
        lost = nights.lost_by([*plan.leaving]) if dry else _change(nights, plan)
        published = sorted(({*published} - {*plan.leaving}) | {*plan.returning})
        others = [] if dry else [*_of_others(nights.copies())]
    would = "would be " if dry else ""
    return [
        *done,
        *(f"{would}taken back: {name} of {night}" for night in reversed(plan.leaving)),
        *(f"{would}put back: {name} of {night}" for night in plan.returning),
        *_of_lost(lost, dry),
        *others,
        _current(name, published),
    ]


def _change(nights: Nights, plan: Plan) -> int:
    """Do it; how many rows SQL lacks now."""
    lost = sum(nights.take_back(night).lost for night in reversed(plan.leaving))
    for night in plan.returning:
        nights.put_back(night, plan.run_id if night == plan.returning[-1] else None)
    return lost


def _when_finished(nights: Nights, interrupted: Sequence[Copy]) -> tuple[list[date], list[date]]:
    """The nights that are published and those aside once what was interrupted is finished."""
    published, aside = {*nights.published()}, {*nights.aside()}
    for copy in interrupted:
        if copy.state == "leaving":
            aside.add(copy.run_date)
            published.discard(copy.run_date)
        else:
            published.add(copy.run_date)
    return sorted(published), sorted(aside)


def _plan(
    nights: Nights, published: list[date], aside: list[date], to: date | None, run: str | None
) -> Plan:
    source, current = nights.source, max(published, default=date.min)
    if to is None:
        if len(published) < 2:
            raise RollbackError(
                f"{source} has no night before {current}" if published else f"no night of {source}"
            )
        to = published[-2]
    if to not in (*published, *aside):
        known = ", ".join(map(str, sorted({*published, *aside})[-5:])) or "none"
        raise RollbackError(f"no night {to} of {source}: the newest there are {known}")
    run_id = _run_of(nights, to, run) if run is not None else None
    if to in published and run_id in (None, nights.published_run(to)):
        return Plan([night for night in published if night > to], [])
    back = [night for night in aside if night not in published]
    if to in published:  # by another run of the same night
        return Plan([night for night in published if night >= to], [to], run_id)
    return Plan(
        [night for night in published if night > to],
        [night for night in back if night == to or current < night < to],
        run_id,
    )


def _run_of(nights: Nights, night: date, run: str) -> str:
    """The whole id of a run of the night that is published or lies aside."""
    known = {copy.run_id: "" for copy in nights.copies() if copy.run_date == night}
    if (published := nights.published_run(night)) is not None:
        known[published] = ""
    mine = [run_id for run_id in known if run_id.startswith(run)]
    if len(mine) != 1:
        there = " and ".join(sorted(known))
        raise RollbackError(f"no one run of {nights.source} of {night} begins so: it has {there}")
    return mine[0]


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


def _of_interrupted(copy: Copy, dry: bool) -> str:
    what = f"{copy.source} of {copy.run_date}"
    if not dry:
        return f"finished what was interrupted: {what}"
    way = "take back" if copy.state == "leaving" else "put back"
    return f"would be finished first: an interrupted roll-back, which began to {way} {what}"


def _of_lost(lost: int, dry: bool) -> Iterator[str]:
    if lost:
        rows, be = counted(lost, "row"), "would have" if dry else "have"
        yield (
            f"up to {rows} of review_sentiment {be} no earlier result to come back: nights that may"
            " have held them were pruned"
        )


def _of_others(copies: Sequence[Copy]) -> Iterator[str]:
    """How to get at each run of a night that was taken back more than once."""
    for night in sorted({copy.run_date for copy in copies}):
        mine = [copy for copy in copies if copy.run_date == night]
        for copy in mine if len(mine) > 1 else ():
            at = copy.taken_back_at.partition(".")[0] or "an earlier version"
            yield f"aside, taken back {at}: --to {night} --run {copy.run_id[:8]}"


def _current(source: str, published: list[date]) -> str:
    return f"current night of {source}: {published[-1] if published else 'none'}"
