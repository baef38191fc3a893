"""The operator's guide: what it says to type can be typed, what it names exists."""

import ast
import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

from flows.__main__ import PROGRAM
from tasks.operations.doctor.variables import known_variables
from tasks.orchestration.command_line import parse
from tests.guides import ROOT, examples

GUIDE = "deployments/README.md"
PAGES = (GUIDE, "deployments/REFERENCE.md")
LINES = 150  # two pages


def sections(page: str) -> list[str]:
    return re.findall(r"^## (.*)$", (ROOT / page).read_text("utf-8"), re.M)


def commands(program: str) -> list[tuple[str, ...]]:
    """Those of both pages, without the program's name."""
    found = {
        tuple(words[1:])
        for page in PAGES
        for section in sections(page)
        for words in examples(page, section)
        if words[0] == program
    }
    return sorted(found)


def test_guide_has_two_pages():
    """What is not for everyone goes into the reference."""
    assert len((ROOT / GUIDE).read_text("utf-8").splitlines()) <= LINES


@pytest.mark.parametrize("words", commands("triptych"), ids=" ".join)
def test_each_command_of_the_guide_can_be_typed(words):
    """Its options are those that it has, and their values are taken."""
    verbs = {verb.name: verb for group in PROGRAM.groups.values() for verb in group}
    command = importlib.import_module(verbs[words[0]].module).COMMAND
    assert parse(command.parameters, "triptych", words[1:])


def test_guide_names_the_operators_verbs():
    """Each is in an example of it or of the reference."""
    named = {words[0] for words in commands("triptych")}
    others = {"watch", "env", "digest"}  # named in sentences
    assert {verb.name for verb in PROGRAM.groups["operate"]} - others <= named


def test_deployments_that_are_asked_to_run_exist():
    """As deployments/prefect.yaml has them."""
    text = (ROOT / "deployments" / "prefect.yaml").read_text("utf-8")
    known = {
        f"{each['entrypoint'].rpartition('.')[2].replace('_', '-')}/{each['name']}"
        for each in yaml.safe_load(text)["deployments"]
    }
    asked = {words[2] for words in commands("prefect") if words[:2] == ("deployment", "run")}
    assert asked and asked <= known


@pytest.mark.parametrize("page", PAGES)
def test_settings_that_are_named_exist(page):
    """A variable that nothing reads would be set in vain."""
    text = (ROOT / page).read_text("utf-8")
    named = set(re.findall(r"\bTRIPTYCH_[A-Z][A-Z_]*[A-Z]\b", text))
    assert named and named <= set(known_variables())


def test_every_setting_has_its_row_in_the_reference():
    """Those that containers and tests have for themselves are said where they are."""
    text = (ROOT / PAGES[1]).read_text("utf-8")
    elsewhere = {"TRIPTYCH_REVIEWS", "TRIPTYCH_SECRETS", "TRIPTYCH_DEVICE_KEY"}
    known = {name for name in known_variables() if not name.endswith("_FILE")}
    assert known - elsewhere <= set(re.findall(r"TRIPTYCH_[A-Z][A-Z_]*[A-Z]\b", text))


def messages() -> list[str]:
    """The fixed words of each message of the table, between what varies."""
    (table,) = re.findall(
        r"^## What the messages mean\n(.*?)(?=^## |\Z)",
        (ROOT / GUIDE).read_text("utf-8"),
        re.M | re.S,
    )
    cells = re.findall(r"^\| (`.*?) \|", table, re.M)
    said = [words for cell in cells for words in re.findall(r"`([^`]+)`", cell)]
    return [part.strip() for words in said for part in words.split("…") if part.strip()]


@cache
def texts() -> tuple[str, ...]:
    """All strings of the program; what varies in them is a character that nobody types."""
    folders = (ROOT / top for top in ("flows", "tasks", "services", "edge"))
    files = (file for folder in folders for file in folder.rglob("*.py"))
    return tuple(text for file in files for text in _texts(file))


def _texts(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.JoinedStr):
            pieces = [
                each.value if isinstance(each, ast.Constant) else "\0" for each in node.values
            ]
            yield "".join(map(str, pieces))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_each_message_of_the_guide_is_said_by_the_program():
    """In the words in which an operator sees it; figures and names vary."""
    missing = [part for part in messages() if not any(part in text for text in texts())]
    assert len(messages()) > 15
    assert missing == []
