"""Ends the stack when the process that runs it is killed, which then cannot do so itself.

`python -m tasks.operations.stack.guard` reads from standard input the number of each process that
is started, one a line. Its end is the end of whoever wrote it: what still runs then is ended.
"""

import sys
from collections.abc import Iterable
from contextlib import suppress

import psutil

from tasks.operations.stack import processes


def watch(lines: Iterable[str]) -> None:
    """Return when the lines end, and nothing of what they named runs any more."""
    leaders = []
    for line in lines:
        with suppress(psutil.NoSuchProcess):
            leaders.append(psutil.Process(int(line)))
    # By now another process may have the number of one that had ended.
    if left := [leader.pid for leader in leaders if leader.is_running()]:
        processes.end(left)


if __name__ == "__main__":
    watch(sys.stdin)
