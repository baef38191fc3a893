"""Sales of one customer at one till, and answers that show what was seen."""

from dataclasses import replace

from services.fraud.state.state import Transaction
from services.fraud.transactions.features import DAY_S, Windows
from tests.services.fraud.streams import START

DAY_15 = START + 15 * DAY_S


def sale(number: int, at: int = DAY_15, **other) -> Transaction:
    """A transaction of one customer at one terminal."""
    return replace(Transaction(f"sale-{number}", "alice", "till", 1_000 + number, at), **other)


def count(windows: Windows) -> bytes:
    """An answer that shows what was seen: the customer's day, and the terminal's frauds."""
    return f"{windows.customer_counts[0]} {windows.terminal_frauds[0]}".encode()


def never(_windows: Windows) -> bytes:
    raise AssertionError("decided again")
