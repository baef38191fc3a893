"""The words of a command line, looked at before their values: what is no option is named.

The standard library's parser tells first of a required option that is missing, also where it is
there with a letter too few. This looks at all words before the parser does, and says which right
one is nearest. What is given twice with different values is refused, too: which one was meant?
"""

import argparse
import difflib
import re
from collections.abc import Iterable, Sequence
from typing import NoReturn

MAX_SHOWN = 100  # characters of a word
_NUMBER = re.compile(r"-\.?\d")


class Parser(argparse.ArgumentParser):
    """Answers wrong words in one line, with exit status 2, and takes no abbreviations."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(prog=prog, description=description, allow_abbrev=False)

    def read(self, arguments: Sequence[str]) -> argparse.Namespace:
        """The values; wrong words end the process."""
        if fault := complaint(self, arguments):
            self.error(fault)
        return self.parse_args(arguments)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}\n")


def complaint(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> str | None:
    """What is wrong with the words, in a line; None: nothing, as far as can be seen here."""
    options = parser._option_string_actions
    has_places = any(not action.option_strings for action in parser._actions)
    given: dict[argparse.Action, str] = {}
    before: argparse.Action | None = None
    words = iter(arguments)
    for word in words:
        name, equals, value = word.partition("=")
        action = options.get(name)
        if action is None:
            if _is_option(word):
                return f"{printable(name)} is no option{suggest(name, options)}; see --help"
            if not has_places:
                return _stray(word, before)
            continue
        if action.nargs == 0:
            if equals:
                return f"{name} takes no value: give {_either(action)}"
            value = name
        elif not equals:
            value = next(words, "")
            if not value or value in options or _is_option(value):
                return f"{name} needs a value: {name} {action.metavar or 'VALUE'}"
        if _takes_one(action) and given.setdefault(action, value) != value:
            return (
                f"{name} is given twice, as {printable(given[action])} and {printable(value)}:"
                " give it once"
            )
        before = action
    return None


def suggest(name: str, names: Iterable[str]) -> str:
    """ "; did you mean …?" if a name comes close to one that exists, else nothing.

    names: long options, or bare words such as subcommands.
    """
    bare = {word.lstrip("-"): word for word in names if word[:2] == "--" or word[0] != "-"}
    asked = name.lstrip("-").lower().replace("_", "-")
    begun = [option for word, option in bare.items() if asked and word.startswith(asked)]
    swapped = [option for word, option in bare.items() if sorted(word) == sorted(asked)]
    close = [bare[word] for word in difflib.get_close_matches(asked, bare, n=1)]
    meant = begun if len(begun) == 1 else swapped or close or begun
    return f"; did you mean {' or '.join(meant[:4])}?" if meant else ""


def _is_option(word: str) -> bool:
    """Whether a word looks like an option, as the parser sees it: no number, no sentence."""
    return len(word) > 1 and word[0] == "-" and " " not in word and not _NUMBER.match(word)


def _takes_one(action: argparse.Action) -> bool:
    """Whether a second value takes the place of the first; of a list it would be the next one."""
    metavar = str(action.metavar or "")
    several = ",…" in metavar or metavar.startswith(("tuple", "list", "["))
    return not several and action.dest != "help"


def _stray(word: str, before: argparse.Action | None) -> str:
    if before is not None and before.nargs == 0:
        return f"{printable(word)} belongs to no option: give {_either(before)}, without a value"
    return f"{printable(word)} belongs to no option; see --help"


def _either(action: argparse.Action) -> str:
    return " or ".join(option for option in action.option_strings if option.startswith("--"))


def printable(word: str) -> str:
    """A word as it can be shown in a line."""
    return word if word.isprintable() and len(word) <= MAX_SHOWN else repr(word[:MAX_SHOWN])
