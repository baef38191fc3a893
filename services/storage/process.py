"""Which process does something: told so that another process can see whether it still does.

A number alone does not do: numbers are given anew, and mean nothing on another machine or in
another container.
"""

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

_PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A process of some machine, as text and back.

    Attributes:
        host: the machine's name, for people.
        machine: one start of one machine and one of its containers; empty if it cannot be told.
        pid: its number there.
        started: when it started, in the machine's own count.
    """

    host: str
    machine: str
    pid: int
    started: str

    @classmethod
    def here(cls) -> Self:
        """This process."""
        return cls.of(os.getpid())

    @classmethod
    def of(cls, pid: int) -> Self:
        """The process of this machine that has this number now."""
        return cls(socket.gethostname(), this_machine(), pid, start_of(pid) or "")

    @classmethod
    def read(cls, text: str) -> Self | None:
        """The process that `str` has made this text of; None: it is no such text."""
        host, _, rest = text.partition(" ")
        machine, _, rest = rest.partition(" ")
        pid, _, started = rest.partition(" ")
        return cls(host, machine.strip("-"), int(pid), started) if pid.isdigit() else None

    def __str__(self) -> str:
        return f"{self.host} {self.machine or '-'} {self.pid} {self.started}"

    @property
    def is_near(self) -> bool:
        """Whether it can be seen from here whether the process lives."""
        return bool(self.machine and self.started) and self.machine == this_machine()

    def is_gone(self) -> bool:
        """Whether it has ended, for one that is near."""
        return start_of(self.pid) != self.started


@cache
def this_machine() -> str:
    """Equal for processes that see one another's numbers, on Linux; elsewhere empty."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return ""


def start_of(pid: int) -> str | None:
    """When a process of this machine started; None: there is none, or a zombie is left of it."""
    try:
        after_name = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if after_name[0] in "ZX" else after_name[19]
