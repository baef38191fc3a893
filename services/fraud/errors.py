"""What can go wrong in the fraud service, named by whose fault it is.

FraudError
├── TransactionsError   the transactions that were given
├── ModelError          a model, its card, or a store without one
│   └── ModelsUnavailable   the database that several machines share models in
│       ├── ModelsBusy      it is locked, restarting or away: try again
│       └── ModelsNotShared nothing is in it yet, and this home has a champion
├── PromotionRefused    a candidate that the gate or a block keeps from becoming champion
├── StateUnavailable    the windows of customers and terminals cannot be read
├── StateBusy           others keep a transaction from being recorded just now
├── LogError            the database that answers are logged in
│   └── LogBusy         it is locked, restarting or away: try again
├── TransactionConflict a transaction that is known with another content
└── OtherContract       a model reads other features than those that there are
"""

from services.storage.errors import StorageBusy, StorageError


class FraudError(Exception):
    """Base of all errors that this panel raises on purpose; the message is fit for a user."""


class TransactionsError(FraudError):
    """A file of transactions cannot be read or does not hold what it should."""


class ModelError(FraudError):
    """A model cannot be used: it is missing, damaged, or does not fit its card."""


class ModelsUnavailable(ModelError, StorageError):
    """The database that several machines share models in cannot be used as asked."""


class ModelsBusy(ModelsUnavailable, StorageBusy):
    """The database of shared models is locked, restarting or out of reach; later it may answer."""


class ModelsNotShared(ModelsUnavailable):
    """No model has a role in the shared database yet, and one has in this home."""


class PromotionRefused(FraudError):
    """A candidate does not become champion; the message holds the metrics."""


class StateUnavailable(FraudError):
    """The state database cannot be read or is damaged."""


class StateBusy(FraudError):
    """Other processes are writing the state; ask again in a moment."""


class LogError(FraudError, StorageError):
    """The database of answers cannot be used as asked."""


class LogBusy(LogError, StorageBusy):
    """The database of answers is locked, restarting or out of reach; later it may answer."""


class TransactionConflict(FraudError):
    """A transaction is known by its id, with another content; the message names what differs."""


class OtherContract(FraudError):
    """A model reads other features than those that there are; the message says which."""
