"""What can go wrong on a device, named by whose fault it is.

EdgeError
├── ReleaseError     the publisher erred: a bad signature, digest or content; not worth a retry
│   ├── SchemaError      a manifest, a channel's list or a record is not as the contract says
│   └── ModelError       the model does not open, is not as the manifest says, or fails its test
├── DownloadError    the network erred: worth a retry later
├── CameraError      a source of frames cannot be opened, or gives none
├── ConfigError      an argument or a configuration file is wrong
└── NoModelError     there is nothing to run yet
"""


class EdgeError(Exception):
    """Base of all errors that this package raises on purpose; the message is fit for a user."""


class ReleaseError(EdgeError):
    """A release cannot be trusted or used; another try would find the same."""


class SchemaError(ReleaseError):
    """A document of the contract cannot be read, or a field of it is wrong; names the field.

    field: the path to it. without_value: what is wrong, for where values are not to be shown.
    """

    def __init__(self, field: str, problem: str, without_value: str | None = None) -> None:
        super().__init__(field, problem, without_value)
        self.field = field
        self.without_value = problem if without_value is None else without_value
        self._problem = problem

    def __str__(self) -> str:
        return f"{self.field} {self._problem}"

    def within(self, place: str) -> "SchemaError":
        """The same of a field further in: place is what the field lies in."""
        dot = "." if place and self.field and not self.field.startswith("[") else ""
        return SchemaError(f"{place}{dot}{self.field}", self._problem, self.without_value)


class ModelError(ReleaseError):
    """A model file does not open, is not as its manifest says, or fails its self-test."""


class DownloadError(EdgeError):
    """A release could not be fetched; it may work later."""


class CameraError(EdgeError):
    """A source of frames cannot be opened, or has ended before it gave one."""


class ConfigError(EdgeError):
    """An argument is wrong; the message says what would be right."""


class NoModelError(EdgeError):
    """No model is installed, and none could be fetched."""
