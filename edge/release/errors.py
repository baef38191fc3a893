"""What can go wrong on the publisher's side, named by whose fault it is.

PublisherError
├── DatasetError      the labelled images that were given
├── ModelFileError    the model that was given: missing, damaged, or of a form we cannot use
├── RefusedError      the gate: the model works, but not well enough to be published
├── NoMediaPipeError  the environment: no MediaPipe to prove a file for phones by
└── RepositoryError   the release repository, its storage, or the keys that sign it
    └── OpenKeysError     others than their owner can read the keys
"""


class PublisherError(Exception):
    """Base of all errors that the publisher raises on purpose; the message is fit for a user."""


class DatasetError(PublisherError):
    """Labelled images cannot be read, or do not hold what they should."""


class ModelFileError(PublisherError):
    """A model or its labels cannot be used."""


class RefusedError(PublisherError):
    """A model is not published; the message holds the metrics."""


class NoMediaPipeError(PublisherError):
    """No MediaPipe can be run: nothing is known of a file for phones."""


class RepositoryError(PublisherError):
    """The release repository cannot be read, written or signed."""


class OpenKeysError(RepositoryError):
    """Others than their owner can read the keys: they do not sign until that is mended."""
