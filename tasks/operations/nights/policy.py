"""Whether a night is run, from values alone: its time, what else is due, and what was declared."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args
from zoneinfo import ZoneInfo

Policy = Literal["skip", "newest", "all"]

TAG = "missed="  # of a deployment: its policy, such as missed=newest
IN_BLACKOUT = "runs-on-blackout-days"  # the tag of a deployment that takes no notice of them
LATE = timedelta(hours=1)  # from when on a night that has no window counts as missed


@dataclass(frozen=True)
class Night:
    """One date of a deployment's schedule.

    Attributes:
        deployment: as flow/deployment.
        due: the instant, aware.
        zone: of the schedule.
        ends_at: the end of its window, if it has one.
    """

    deployment: str
    due: datetime
    zone: ZoneInfo
    ends_at: datetime | None = None

    @property
    def key(self) -> str:
        """Tells the deployment's nights apart: what clocks there show when it is due.

        An hour that clocks show twice is thus one night.
        """
        return f"{self.due.astimezone(self.zone):%Y-%m-%d %H:%M}"


@dataclass(frozen=True)
class Known:
    """What became of a night so far.

    Attributes:
        status: begun, done, failed, crashed or skipped.
        run_id: the run that it was given to.
    """

    status: str
    run_id: str


def policy_of(tags: Collection[str]) -> Policy | None:
    """What a deployment's tags declare; None: its runs are no nights.

    Raises: ValueError: a policy that there is not.
    """
    for tag in tags:
        if tag.startswith(TAG):
            given = tag.removeprefix(TAG).strip()
            for policy in get_args(Policy):
                if given == policy:
                    return policy  # type: ignore[no-any-return]
            raise ValueError(f"the tag {tag!r} is none of missed=skip, missed=newest, missed=all")
    return None


def reason_to_skip(
    night: Night,
    policy: Policy,
    now: datetime,
    newer: Sequence[datetime],
    known: Known | None,
    blackout: str | None,
) -> str | None:
    """Why the night is not run, in a sentence; None: it is.

    newer: when later nights of the deployment are due, among them those still to come.
    known: what another run has made of the same night.
    blackout: why nothing runs on its day.
    """
    if known is not None and known.status in ("begun", "done"):
        done = "is done" if known.status == "done" else "is being done"
        return f"The night of {night.key} {done} by run {known.run_id}."
    if blackout is not None:
        return f"{blackout}."
    due_by_now = [due for due in newer if night.due < due <= now]
    if policy == "newest" and due_by_now:
        newest = max(due_by_now).astimezone(night.zone)
        return f"Missed, and a newer night is due, that of {newest:%Y-%m-%d %H:%M}."
    if policy == "skip" and is_missed(night, now):
        late = now - night.due
        window = " and its window is over" if night.ends_at is not None else ""
        return f"Missed: it was due {_duration(late)} ago{window}."
    return None


def is_missed(night: Night, now: datetime) -> bool:
    """Whether it is too late for the night."""
    if night.ends_at is not None:
        return now >= night.ends_at
    return now - night.due > LATE


def nights_without_run(
    due: Sequence[datetime], has_run: Callable[[datetime], bool], policy: Policy
) -> tuple[list[datetime], list[datetime]]:
    """Of the nights that are due, those that nobody has planned: to be run now, and to be skipped.

    due: the instants by their order, up to the present.
    """
    missing = [each for each in due if not has_run(each)]
    if policy == "all":
        return missing, []
    newest = [each for each in missing if policy == "newest" and each == due[-1]]
    return newest, [each for each in missing if each not in newest]


def _duration(span: timedelta) -> str:
    minutes = round(span.total_seconds() / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours = round(minutes / 60)
    return f"{hours} h" if hours < 48 else f"{round(hours / 24)} days"
