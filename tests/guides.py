"""What the guides tell people to type, for tests that type it."""

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[1]


def examples(page: str, section: str) -> list[list[str]]:
    """The words of each command in the `sh` blocks of a guide's section, in order.

    page: the guide's path; section: its heading.
    """
    text = (ROOT / page).read_text("utf-8")
    (body,) = re.findall(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    blocks = re.findall(r"^```sh\n(.*?)^```", body, re.M | re.S)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]
