"""A part of the stack: what is started, when, how it is known to be ready, and what it is for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Part:
    """A process that runs as long as the stack, or a step that is done once.

    Attributes:
        command: for the shell, in the project's root.
        after: parts that must have been ready, or done, before it is started.
        is_ready: whether it can be used; without it, it can as soon as it is started.
        once: it ends by itself, with status 0.
        vital: where it dies again and again, so does the stack.
        purpose: of what is at its address, for people; a step's: what it does.
        environment: variables beside those of the stack; None takes one away.
    """

    name: str
    command: str
    after: tuple[str, ...] = ()
    is_ready: Callable[[], bool] = lambda: True
    once: bool = False
    vital: bool = True
    purpose: str = ""
    address: str = ""
    environment: Mapping[str, str | None] = field(default_factory=dict)
