"""Errors of the sentiment panel, named by whose fault they are.

SentimentError
├── SourceError         the input cannot be read as asked: fix the file or the arguments
│   ├── MissingColumn   a column that was asked for is not there: name another one
│   ├── SourceChanged   the input changed while it was read: run again
│   └── SourceAway      the server of an address does not answer, or breaks off: try again
├── TooFewRows          fewer rows than were asked for: look at what writes the input
├── RejectedTooMany     too large a share of the rows was rejected: look at the rejects
├── ModelError          the model cannot be opened or computed, or answers no sentiment
│   ├── GoldenError     the model answers known texts wrongly: wrong weights or tokenizer
│   └── PrecisionError  the precision that was asked for gives other labels: take another one
├── WarehouseError      the database refuses: fix the address, the rights or the tables
│   └── WarehouseBusy   it is locked, or the connection was refused or lost: try again
├── PublicationError    what is to be published is missing or damaged: what was stays
│   └── DeliveryError   the bucket of published scores refuses: fix the address or the rights
│       └── DeliveryAway  its server does not answer: try again
├── RunConflict         another run of the same run date is at work
└── CorpusError         the training data cannot be used as it is
"""

from services.storage.errors import StorageBusy, StorageError


class SentimentError(Exception):
    """Base of all errors raised on purpose here; the message is one line for the operator."""


class SourceError(SentimentError): ...


class MissingColumn(SourceError): ...


class SourceChanged(SourceError): ...


class SourceAway(SourceError, StorageBusy): ...


class TooFewRows(SentimentError): ...


class RejectedTooMany(SentimentError): ...


class ModelError(SentimentError): ...


class GoldenError(ModelError): ...


class PrecisionError(ModelError): ...


class WarehouseError(SentimentError, StorageError): ...


class WarehouseBusy(WarehouseError, StorageBusy): ...


class PublicationError(SentimentError): ...


class DeliveryError(PublicationError, StorageError): ...


class DeliveryAway(DeliveryError, StorageBusy): ...


class RunConflict(SentimentError): ...


class CorpusError(SentimentError): ...


def first_line(error: BaseException | None) -> str:
    """What another library's error says in its first line, or its name where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
