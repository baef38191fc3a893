"""For which windows the history that the state holds suffices.

The state knows every transaction from `since` on; how far they reach at the other end is told by
the age of the snapshot, as before. Of terminals it also has to know which transactions were
frauds: labels reach up to `labelled_until`, the newest transaction that has one.

A window is complete if it begins no earlier than `since`. A customer's windows reach back from
the transaction, a terminal's from a week before it, so that of one transaction some may be
complete and others not.
"""

from dataclasses import dataclass

from services.fraud.transactions.features import DAY_S, DELAY_DAYS, HISTORY_DAYS, WINDOWS_DAYS

NO_SNAPSHOT = "no_snapshot"
OLD_SNAPSHOT = "old_snapshot"
NOT_RECORDED = "not_recorded"
OLD_LABELS = "old_labels"
KEPT_S = (HISTORY_DAYS + 1) * DAY_S  # of history, before its end

# What windows reach back, each named as the features that are counted in it.
_REACH_S = {
    f"{key}_{days}day_window": (delay + days) * DAY_S
    for key, delay in (("customer", 0), ("terminal", DELAY_DAYS))
    for days in WINDOWS_DAYS
}
WINDOW_REASONS = tuple(_REACH_S)
REASONS = (NO_SNAPSHOT, OLD_SNAPSHOT, NOT_RECORDED, OLD_LABELS, *WINDOW_REASONS)


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a history covers; times in seconds since 1970, UTC, all of them inclusive.

    Attributes:
        since: from then on it holds every transaction.
        as_of: up to then.
        labelled_until: the newest transaction whose label is known; None: none is.
    """

    since: int
    as_of: int
    labelled_until: int | None

    def then(self, later: "Coverage") -> "Coverage":
        """What both cover that follow one another, in whatever order they came.

        Where one ends before the other begins, something is missing between them: what lies
        before that is of no use to the windows of tomorrow.
        """
        first, second = sorted((self, later), key=lambda each: each.as_of)
        joined = second.since <= first.as_of + 1
        since = min(first.since, second.since) if joined else second.since
        labelled = [each.labelled_until for each in (first, second)]
        known = max((until for until in labelled if until is not None), default=None)
        return Coverage(max(since, second.as_of - KEPT_S + 1), second.as_of, known)

    def after(self, known: "Coverage | None", labelled_until: int | None) -> "Coverage":
        """What is covered once this has come to what was known.

        labelled_until: the newest transaction whose label came here. There may be labels where no
            snapshot has come yet, so that nothing else was covered.
        """
        nothing = Coverage(self.as_of + 1, self.as_of, labelled_until)
        return (known or nothing).then(self)

    def faults(self, time: int, tolerance_s: float) -> list[str]:
        """Why the windows of a transaction at a time may be incomplete; see `REASONS`.

        Args: tolerance_s: by how much snapshot and labels may be older than what they are for.
        """
        faults = [OLD_SNAPSHOT] if time - self.as_of > tolerance_s else []
        known_until = time - DELAY_DAYS * DAY_S  # terminals' windows end there
        if self.labelled_until is None or known_until - self.labelled_until > tolerance_s:
            faults.append(OLD_LABELS)
        return faults + [name for name, reach in _REACH_S.items() if time - reach + 1 < self.since]
