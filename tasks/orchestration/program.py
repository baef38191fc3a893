"""A program of many commands: its help on one screen, and the way to each of them.

A command is a module that holds a `COMMAND` (`Command` or `FlowCommand` of `command_line`). It is
imported when it is asked for, so that the program itself answers at once.
"""

import importlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import NoReturn

from services.reporting.arguments import printable, suggest


@dataclass(frozen=True)
class Verb:
    """A command: its name as it is typed, what it does in a line, and its module."""

    name: str
    summary: str
    module: str


@dataclass(frozen=True)
class Program:
    """The commands by group, and what to type first."""

    distribution: str
    first: str
    groups: Mapping[str, Sequence[Verb]]

    def run(self, program: str, arguments: Sequence[str]) -> NoReturn:
        """Do what the words ask for, and end the process.

        program: how it was called. Without words it shows its help; a word that is no command
        ends it with status 2 and the nearest one that is.
        """
        word, *rest = arguments or ("--help",)
        if word in ("-h", "--help", "help"):
            sys.stdout.write(self.help(program))
            sys.exit(0)
        if word == "--version":
            sys.stdout.write(f"{self.distribution} {self._version()}\n")
            sys.exit(0)
        verbs = {verb.name: verb for group in self.groups.values() for verb in group}
        verb = verbs.get(word.replace("_", "-"))
        if verb is None:
            what = "option" if word.startswith("-") else "command"
            known = ("--help", "--version") if what == "option" else verbs
            sys.stderr.write(
                f"{program}: error: {printable(word)} is no {what}{suggest(word, known)};"
                f" see {program} --help\n"
            )
            sys.exit(2)
        importlib.import_module(verb.module).COMMAND.run(f"{program} {verb.name}", rest)
        raise AssertionError(f"{verb.module} came back")

    def help(self, program: str) -> str:
        """All commands, with a line for each."""
        width = max(len(verb.name) for group in self.groups.values() for verb in group)
        lines = [f"usage: {program} COMMAND [options], or COMMAND --help", self.first]
        for title, verbs in self.groups.items():
            lines.append(f"{title}:")
            lines += [f"  {verb.name.ljust(width)}  {verb.summary}" for verb in verbs]
        return "\n".join(lines) + "\n"

    def _version(self) -> str:
        try:
            return version(self.distribution)
        except PackageNotFoundError:
            return "(not installed)"
