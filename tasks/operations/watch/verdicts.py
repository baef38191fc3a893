"""Which runs are dead, from what is seen of them again and again. Decides, and does no I/O."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from tasks.orchestration.alive.heartbeat import BEAT_S, Beat

GONE_S = 10.0  # a worker that lives says itself how its run ended
SILENT_S = 6 * BEAT_S  # of a run elsewhere
START_S = 90.0  # from a worker's taking the run to its process' first word


@dataclass(frozen=True)
class RunSeen:
    """A run as the API shows it at some moment.

    Attributes:
        state: PENDING, RUNNING or CANCELLING.
        state_id: another one for each state that it enters.
        is_ours: whether its process would give a sign of life.
        is_gone: whether its process has ended; None: that cannot be seen from here.
    """

    id: UUID
    name: str
    state: str
    state_id: UUID | None
    is_ours: bool
    beat: Beat | None
    is_gone: bool | None


@dataclass
class _Memory:
    state_id: UUID | None
    beat: int | None
    alive_at: float  # since when there was no new sign of life
    gone_at: float | None = None


@dataclass
class Verdicts:
    """Remembers what it has seen; times are seconds of a clock that never jumps."""

    _seen: dict[UUID, _Memory] = field(default_factory=dict)

    def look(self, runs: Iterable[RunSeen], now: float, was_away: bool = False) -> dict[UUID, str]:
        """The runs that are dead, each with the reason.

        was_away: the server was, since the last look: no sign of life could arrive.
        """
        before, self._seen, dead = self._seen, {}, {}
        for run in runs:
            memory = before.get(run.id)
            beat = run.beat.number if run.beat else None
            if memory is None or (memory.state_id, memory.beat) != (run.state_id, beat) or was_away:
                memory = _Memory(run.state_id, beat, now)
            if not run.is_gone:
                memory.gone_at = None
            elif memory.gone_at is None:
                memory.gone_at = now
            self._seen[run.id] = memory
            if reason := _reason(run, memory, now):
                dead[run.id] = reason
        return dead


def _reason(run: RunSeen, memory: _Memory, now: float) -> str | None:
    silent_s = now - memory.alive_at
    if run.state == "PENDING":  # what it has of signs may be of an earlier attempt
        if run.is_ours and silent_s >= START_S and run.is_gone is not False:
            return f"pending for {silent_s:.0f} s, and no process has begun it: its worker died"
        return None
    if run.beat is None:
        return None
    process = run.beat.process
    if run.is_gone:
        gone_s = now - (memory.gone_at or now)
        if gone_s >= GONE_S:
            return f"its process {process.pid} on {process.host} is gone without a word"
    elif run.is_gone is None and silent_s >= SILENT_S:
        return f"no sign of life for {silent_s:.0f} s from process {process.pid} on {process.host}"
    return None
