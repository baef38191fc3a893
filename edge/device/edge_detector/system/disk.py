"""Faults of a disk, by whether they may pass: a full disk may have room tomorrow.

What may pass ends a run with another status than a wrong argument: the service is started again.
"""

import errno

from edge_detector.errors import ConfigError, EdgeError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})  # nothing can be written there now
_PASSING = FULL | {errno.EIO, errno.ENFILE, errno.EMFILE, errno.ENOMEM}


def disk_error(what: str, error: OSError) -> EdgeError:
    """What to raise when something cannot be used: a plain EdgeError if that may pass.

    what: the beginning of the message, such as "--output a.mp4 cannot be written".
    """
    kind = EdgeError if error.errno in _PASSING else ConfigError
    return kind(f"{what}: {error.strerror or error}")
