"""What commands print: texts as they are; nothing in data, paths or errors styles the terminal.

Prefect is not loaded: verbs that need none answer at once.
"""

import json
import sys
from typing import Any

from rich.console import Console, RenderableType


def print_result(what: RenderableType) -> None:
    """Print on standard output, unwrapped: paths and commands are to be copied."""
    Console(highlight=False, markup=False, emoji=False).print(what, soft_wrap=True)


def print_notice(message: str) -> None:
    """Print a line on standard error, beside the progress."""
    Console(stderr=True, highlight=False, markup=False, emoji=False).print(message, soft_wrap=True)


def print_json(value: Any) -> None:
    """JSON on standard output, for programs; what JSON does not know becomes text."""
    sys.stdout.write(json.dumps(value, indent=1, ensure_ascii=False, default=str) + "\n")
