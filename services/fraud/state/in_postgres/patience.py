"""How long is waited for something, once it has failed.

By one request now and then as long as ever, to see whether it is well again, and by the others
hardly at all: while it is away, they shall not wait as long as the first one did. One that fails
while others succeed is no sign of that: it is late, as some are where many come at once, who would
all be late if they were given less time.
"""

TRY_AFTER = 4  # times as long as is waited usually


class Patience:
    """For one kind of work; times are those of one clock.

    Attributes:
        fault: what went wrong last; None: nothing since it went well.
        well_at: when it went well last.
    """

    def __init__(self, usual_s: float, short_s: float) -> None:
        self._usual_s, self._short_s = usual_s, short_s
        self._try_at = 0.0
        self.well_at = 0.0
        self.fault: str | None = None

    def until(self, now: float) -> float:
        """Until when somebody waits who begins now."""
        if self.fault is None:
            return now + self._usual_s
        if now >= self._try_at:
            self._try_at = now + TRY_AFTER * self._usual_s
            return now + self._usual_s
        return now + self._short_s

    def succeed(self, now: float) -> None:
        """Take note that it went well."""
        self.fault, self.well_at = None, now

    def fail(self, fault: str, began: float, now: float) -> bool:
        """Take note of a fault; whether there was none before.

        began: when somebody began to wait; where others have succeeded since, there is none.
        """
        if self.well_at > began:
            return False
        if is_first := self.fault is None:
            self._try_at = now + TRY_AFTER * self._usual_s
        self.fault = fault
        return is_first
