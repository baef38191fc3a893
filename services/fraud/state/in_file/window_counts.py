"""What is counted in the windows of a transaction, in a few statements of bounded cost.

A customer or terminal with few transactions is counted by reading them from an index; of a busy
one, the buckets in `busy_keys` are added up. Both give the same whole numbers.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from services.fraud.state.buckets import CUSTOMER, TERMINAL, add_up
from services.fraud.state.state import NEW, Transaction
from services.fraud.transactions.features import DAY_S, DELAY_DAYS, WINDOWS_DAYS, Windows

Execute: TypeAlias = Callable[[str, Sequence[Any]], Any]


def _counts(value: str, end: str) -> str:
    """SQL: per window that ends at `end`, how many rows, and the sum of a column."""
    return ", ".join(
        f"sum(time > {end} - {days * DAY_S}), sum((time > {end} - {days * DAY_S}) * {value})"
        for days in WINDOWS_DAYS
    )


_LONGEST_S = max(WINDOWS_DAYS) * DAY_S
_DELAYED = f"?3 - {DELAY_DAYS * DAY_S}"
_BUSY_CUSTOMER = f"(SELECT id FROM busy_keys WHERE kind = {CUSTOMER} AND key = ?1)"
_BUSY_TERMINAL = f"(SELECT id FROM busy_keys WHERE kind = {TERMINAL} AND key = ?2)"
# Of a busy key no row is read: nothing equals NULL.
_COUNT = f"""
SELECT * FROM
(SELECT {_counts("cents", "?3")} FROM transactions
 WHERE customer_id = iif({_BUSY_CUSTOMER} IS NULL, ?1, NULL)
 AND time > ?3 - {_LONGEST_S} AND time <= ?3 AND NOT (time = ?3 AND seq >= ?4)),
(SELECT {_counts("is_fraud", _DELAYED)} FROM transactions
 WHERE terminal_id = iif({_BUSY_TERMINAL} IS NULL, ?2, NULL)
 AND time > {_DELAYED} - {_LONGEST_S} AND time <= {_DELAYED})
"""
_BUSY = f"SELECT {_BUSY_CUSTOMER}, {_BUSY_TERMINAL}"
_PLACE = "SELECT rows, total FROM second_places WHERE seq = ?"
_EARLIER = (
    "SELECT count(*), ifnull(sum(cents), 0) FROM transactions"
    " WHERE customer_id = ? AND time = ? AND seq < ?"
)


_ADD_UP = add_up("bucket_counts", "?1", "?2", "?3")


def count_windows(execute: Execute, asked: Transaction, seq: int) -> Windows:
    """The windows of a transaction, itself included. seq: its place in the order of arrival."""
    keys = (asked.customer_id, asked.terminal_id, asked.time, seq)
    counted = execute(_COUNT, keys).fetchone()
    customer, terminal = counted[: len(counted) // 2], counted[len(counted) // 2 :]
    if customer[0] is None or terminal[0] is None:  # no row was read: there is none, or it is busy
        busy_customer, busy_terminal = execute(_BUSY, keys[:2]).fetchone()
        if busy_customer is not None:
            customer = _busy_customer(execute, busy_customer, asked, seq)
        if busy_terminal is not None:
            end = asked.time - DELAY_DAYS * DAY_S + 1
            terminal = execute(_ADD_UP, (busy_terminal, end, end)).fetchone()
    return Windows(
        customer_counts=tuple((count or 0) + 1 for count in customer[::2]),
        customer_cents=tuple((cents or 0) + asked.cents for cents in customer[1::2]),
        terminal_counts=tuple(count or 0 for count in terminal[::2]),
        terminal_frauds=tuple(frauds or 0 for frauds in terminal[1::2]),
    )


def _busy_customer(execute: Execute, busy_key: int, asked: Transaction, seq: int) -> list[int]:
    """Of its own second, a transaction sees what arrived before it."""
    end = asked.time + 1
    if seq == NEW:
        return [value or 0 for value in execute(_ADD_UP, (busy_key, end, end)).fetchone()]
    before = execute(_ADD_UP, (busy_key, end, asked.time)).fetchone()
    earlier = execute(_PLACE, (seq,)).fetchone()
    if earlier is None:  # few are in its second
        earlier = execute(_EARLIER, (asked.customer_id, asked.time, seq)).fetchone()
    return [(value or 0) + earlier[place % 2] for place, value in enumerate(before)]
