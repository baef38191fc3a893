"""The section's guide: what it says to type can be typed, and what it names exists."""

import re
import shlex
from pathlib import Path

from flows.compare_strategies import COMMAND
from tasks import comparison
from tasks.comparison.advice.need import Requirements
from tasks.comparison.pricing.sheet import read_sheet
from tasks.orchestration.command_line import parse

FOLDER = Path(comparison.__path__[0])
GUIDE = (FOLDER / "README.md").read_text("utf-8")


def blocks(language: str) -> str:
    return "".join(re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.M | re.S))


def test_each_command_of_the_guide_can_be_typed():
    lines = [words for line in blocks("sh").splitlines() if (words := shlex.split(line, True))]
    assert len(lines) > 3
    for program, verb, *words in lines:
        assert (program, verb) == ("triptych", "compare")
        assert parse(COMMAND.parameters, "triptych compare", words)


def test_guide_names_every_key_and_no_other():
    (table,) = re.findall(r"^## Requirements\n(.*?)^## ", GUIDE, re.M | re.S)
    rows = re.findall(r"^\| (`.*?) \|", table, re.M)
    named = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    assert named == set(Requirements.model_fields) - {"expected"}


def test_prices_of_the_guide_are_read(tmp_path):
    file = tmp_path / "prices.yaml"
    file.write_text(blocks("yaml"))
    assert read_sheet(file).engineer_hour.typical == 70
