"""Whose columns are what, in files of transactions with other names than ours.

A mapping is written `customer_id=nameOrig,amount=amount,time=step:hours`: our name, that of the
file and, for a time that is no date with a time of day, its unit. Public data sets are recognised
by their columns. Where a mapping is whole it is taken, and said; else it is proposed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from services.fraud.transactions.table_file import Wanted
from services.fraud.transactions.transactions import LABEL, WANTED

# Of times counted from a start, in seconds.
UNITS = {"seconds": 1, "minutes": 60, "hours": 3_600, "days": 86_400}
EPOCHS = {"epoch": 1.0, "epoch_ms": 0.001}  # since 1970, UTC, in seconds
DATE = "date"  # a date alone, counted from its midnight, UTC
KINDS = (*UNITS, *EPOCHS, DATE)
_NAMES = tuple(column.name for column in WANTED)


@dataclass(frozen=True)
class ColumnMapping:
    """The names in a file by ours, and the unit of its times (None: they are dates with times)."""

    names: Mapping[str, str]
    time_unit: str | None = None

    @classmethod
    def parse(cls, text: str) -> "ColumnMapping":
        """Read a mapping as it is written.

        Raises: ValueError: it is none.
        """
        names: dict[str, str] = {}
        unit = None
        for part in text.split(","):
            ours, equals, theirs = (word.strip() for word in part.partition("="))
            if not (equals and theirs) or ours not in _NAMES:
                raise ValueError(
                    f"{part.strip() or text!r} is no NAME=COLUMN, with one of the names"
                    f" {', '.join(_NAMES)}"
                )
            if ours in names:
                raise ValueError(f"{ours} is there twice")
            if ours == "time":
                theirs, unit = split_unit(theirs)
            names[ours] = theirs
        return cls(names, unit)

    def wanted(self) -> tuple[Wanted, ...]:
        """What is read: our names where nothing else is said; ids can be numbers of rows."""
        return tuple(
            Wanted(
                column.name,
                column.published,
                required=column.name != "transaction_id" or column.name in self.names,
                given=self.names.get(column.name),
            )
            for column in WANTED
        )

    def without_label(self) -> "ColumnMapping":
        """For a file that has none."""
        names = {ours: theirs for ours, theirs in self.names.items() if ours != LABEL}
        return replace(self, names=names)

    def __str__(self) -> str:
        unit = f":{self.time_unit}" if self.time_unit else ""
        return ",".join(
            f"{ours}={theirs}{unit if ours == 'time' else ''}"
            for ours, theirs in self.names.items()
        )


def split_unit(text: str) -> tuple[str, str | None]:
    """The column and the unit of `column:unit`; a name may have a colon of its own."""
    column, _, unit = text.rpartition(":")
    return (column, unit) if column and unit in KINDS else (text, None)


@dataclass(frozen=True)
class Layout:
    """A public data set, by columns that it has; with a mapping, or with what is right instead.

    Attributes:
        time: its column and unit, where times are numbers.
        labels: how it calls the ids of transactions and their labels, where it has both.
    """

    name: str
    columns: tuple[str, ...]
    mapping: ColumnMapping | None = None
    advice: str = ""
    time: str | None = None
    labels: Mapping[str, str] | None = None


LAYOUTS = (
    Layout(
        "PaySim",
        ("step", "type", "amount", "nameOrig", "nameDest", "isFraud"),
        ColumnMapping.parse(
            "customer_id=nameOrig,terminal_id=nameDest,amount=amount,time=step:hours,"
            "is_fraud=isFraud"
        ),
        time="step:hours",
    ),
    Layout(
        "Sparkov",
        ("trans_date_trans_time", "cc_num", "merchant", "amt", "trans_num", "is_fraud"),
        ColumnMapping.parse(
            "transaction_id=trans_num,customer_id=cc_num,terminal_id=merchant,amount=amt,"
            "time=trans_date_trans_time,is_fraud=is_fraud"
        ),
        labels={"transaction_id": "trans_num", "is_fraud": "is_fraud"},
    ),
    Layout(
        "IEEE-CIS",
        ("TransactionID", "isFraud", "TransactionDT", "TransactionAmt", "card1"),
        advice="which has no terminals. Its columns as they are: train_fraud --table FILE"
        " --label isFraud --time TransactionDT:seconds"
        " --leave-out TransactionID,P_emaildomain,R_emaildomain"
        " --categories ProductCD,card4,card6,M1,M2,M3,M4,M5,M6,M7,M8,M9 --blank -1. Or with"
        " products for terminals: --decimals 3 --columns transaction_id=TransactionID,"
        "customer_id=card1,terminal_id=ProductCD,amount=TransactionAmt,time=TransactionDT:seconds,"
        "is_fraud=isFraud",
        time="TransactionDT:seconds",
        labels={"transaction_id": "TransactionID", "is_fraud": "isFraud"},
    ),
    Layout(
        "Kaggle's creditcard.csv",
        ("Time", "V1", "V2", "Amount", "Class"),
        advice="which has neither customers nor terminals. Its columns as they are: train_fraud"
        " --table FILE --label Class --time Time:seconds",
        time="Time:seconds",
    ),
)


def recognise(names: Sequence[str], labelled: bool = True) -> Layout | None:
    """The public data set that has these columns, among others.

    labelled: whether its labels have to be there, where it has a mapping.
    """
    found = {name.strip().casefold() for name in names}
    for layout in LAYOUTS:
        missing = {name.casefold() for name in layout.columns} - found
        if not missing:
            return layout
        mapping = layout.mapping
        if mapping and not labelled and missing == {mapping.names[LABEL].casefold()}:
            return replace(layout, mapping=mapping.without_label())
    return None
