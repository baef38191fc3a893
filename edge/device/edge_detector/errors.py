"""What can go wrong on a device, named by whose fault it is.

EdgeError
├── ReleaseError     the publisher erred: a bad signature, digest or content; not worth a retry
│   ├── ManifestError    the manifest cannot be read or says something impossible
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


class ManifestError(ReleaseError):
    """A manifest cannot be read, or a field of it is wrong; the message names the field."""


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
