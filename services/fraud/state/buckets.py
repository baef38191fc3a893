"""How busy customers and terminals are counted: by buckets of a second, minute, hour and day.

A key is a customer or a terminal. One with more than `MOST_ROWS` transactions is busy, as soon
as it is looked at: beside its transactions, a state then keeps how many there are, and their
sum, per bucket. A window is added up from at most 59 seconds, 59 minutes and 23 hours at each of
its ends and the days between, however many transactions it holds. All other keys, which are
nearly all, cost a look whether they are busy.
"""

from collections.abc import Sequence

from services.fraud.transactions.features import DAY_S, HOUR_S, WINDOWS_DAYS

MOST_ROWS = 500  # of a key that is counted by reading them; more cost more than the buckets
LOOK_EVERY = 16  # transactions, whether a key has become busy: to count its rows takes time
MOST_IN_SECOND = 64  # of a busy customer's transactions, without a place of their own
MINUTE_S = 60
LENGTHS_S = (1, MINUTE_S, HOUR_S, DAY_S)  # of a bucket, by level
SECOND, MINUTE, HOUR, DAY = range(len(LENGTHS_S))
CUSTOMER, TERMINAL = range(2)


def add_up(table: str, key: str, end: str, until: str) -> str:
    """SQL: count and sum per window of a busy key, from its buckets, the shortest window first.

    What lies before a moment x is what lies in the days before it, and in the hours of its day,
    the minutes of its hour and the seconds of its minute before it. A window is the difference of
    two such sums; each part of them is read once, and counts in the windows that it belongs to.

    Args:
        table: of the buckets.
        key: SQL of the key's id.
        end: of the second after that in which the windows end, which says where they begin.
        until: of that up to where they are counted, exclusive.
    """
    days = sorted(WINDOWS_DAYS, reverse=True)
    starts = [f"({end} - {each * DAY_S})" for each in days]
    ends = [*starts, until]
    parts = []
    for place, moment in enumerate(ends):
        signs = [-(place == window) + (place == len(days)) for window in range(len(days))]
        for level in (SECOND, MINUTE, HOUR):
            length, longer = LENGTHS_S[level], LENGTHS_S[level + 1]
            since = f"{moment} / {longer} * {longer // length}"
            parts.append(_part(table, key, signs, level, since, f"{moment} / {length}"))
    for place in range(len(days)):
        signs = [int(window <= place) for window in range(len(days))]
        day = f"{ends[place]} / {DAY_S}"
        parts.append(_part(table, key, signs, DAY, day, f"{ends[place + 1]} / {DAY_S}"))
    windows = [f"w{days.index(each)}" for each in WINDOWS_DAYS]
    sums = ", ".join(f"sum({window} * rows), sum({window} * total)" for window in windows)
    return f"SELECT {sums} FROM ({' UNION ALL '.join(parts)}) AS parts"


def _part(table: str, key: str, signs: Sequence[int], level: int, since: str, until: str) -> str:
    """SQL: what some buckets hold, and the sign with which it counts in each window."""
    shown = ", ".join(f"{sign} AS w{window}" for window, sign in enumerate(signs))
    return (
        f"SELECT {shown}, sum(rows) AS rows, sum(total) AS total FROM {table}"
        f" WHERE busy_key = {key} AND level = {level} AND bucket >= {since} AND bucket < {until}"
    )
