"""What the statements of the state tell, as values."""

from dataclasses import dataclass

from services.fraud.state.state import Transaction
from services.fraud.transactions.features import WINDOWS_DAYS, Windows


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a transaction.

    Attributes:
        answer: that it has got.
        windows: of one without an answer.
    """

    answer: bytes | None
    windows: bytes | None


def read_known(transaction: Transaction, row: list[bytes | None]) -> Known:
    """What `ask` and `record` have found. Raises: TransactionConflict: it has another content."""
    answer, customer, terminal, cents, at, windows = row[:6]
    if customer is not None and terminal is not None:
        content = (customer.decode(), terminal.decode(), read_whole(cents), read_whole(at))
        transaction.check(content)  # type: ignore[arg-type]
    return Known(answer, windows)


def read_whole(value: bytes | None) -> int | None:
    """A whole number, as PostgreSQL has it."""
    return None if value is None else int.from_bytes(value, "big", signed=True)


def read_windows(told: bytes, transaction: Transaction) -> Windows:
    """Windows as they were told, with the transaction itself."""
    numbers = list(map(int, told.split()))
    half = 2 * len(WINDOWS_DAYS)
    return Windows(
        customer_counts=tuple(count + 1 for count in numbers[:half:2]),
        customer_cents=tuple(cents + transaction.cents for cents in numbers[1:half:2]),
        terminal_counts=tuple(numbers[half::2]),
        terminal_frauds=tuple(numbers[half + 1 :: 2]),
    )
