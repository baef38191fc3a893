"""A process that we start and that does not outlive us."""

import ctypes
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def ended_with_us(by: signal.Signals) -> Callable[[], None] | None:
    """For `preexec_fn` of Popen: the kernel sends the child this signal once this process is gone.

    None where the kernel does not: it is Linux's.
    """
    return (lambda: _ask_kernel(by)) if sys.platform == "linux" else None


def _ask_kernel(by: signal.Signals) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, by)
