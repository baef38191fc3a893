"""The command `triptych`: its table, and what it answers to right and wrong words."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from flows.__main__ import PROGRAM
from tasks.orchestration.command_line import Command, FlowCommand
from tasks.orchestration.parameters import FlowParameters

ROOT = Path(__file__).parents[2]
VERBS = [verb for group in PROGRAM.groups.values() for verb in group]


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """The status, output and error output of `triptych` with these words."""
    with pytest.raises(SystemExit) as end:
        PROGRAM.run("triptych", words)
    output, errors = capsys.readouterr()
    return int(end.value.code or 0), output, errors


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_each_line_of_the_table_leads_to_a_command(verb):
    """A module that holds what the program runs."""
    assert isinstance(importlib.import_module(verb.module).COMMAND, Command | FlowCommand)


def test_every_flow_is_a_command_of_its_own_name():
    """With dashes, as people type it."""
    flows = {file.stem for file in (ROOT / "flows").glob("*.py") if file.stem[0] != "_"}
    assert flows == {
        verb.module.removeprefix("flows.") for verb in VERBS if verb.module.count(".") == 1
    }
    for verb in VERBS:
        module = verb.module.rpartition(".")[2]
        assert {"compare_strategies": "compare"}.get(module, module) == verb.name.replace("-", "_")


def test_help_names_every_command_and_what_to_type_first(capsys):
    """Alone, or asked for help."""
    status, output, errors = answer(capsys)
    assert (status, errors) == (0, "")
    assert answer(capsys, "--help") == answer(capsys, "help") == (0, output, "")
    assert "First type `triptych up`" in output
    assert {verb.name for verb in VERBS} <= set(re.findall(r"^  (\S+)", output, re.M))


def test_version_is_told(capsys):
    """The one that is installed."""
    status, output, _ = answer(capsys, "--version")
    assert status == 0
    assert re.fullmatch(r"triptych \d+\.\d+\S*\n", output)


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("scor-sentiment", "scor-sentiment is no command; did you mean score-sentiment?"),
        ("score", "score is no command; did you mean score-sentiment?"),
        ("UPP", "UPP is no command; did you mean up?"),
        ("--hepl", "--hepl is no option; did you mean --help?"),
        ("\x1b[31m", r"'\x1b[31m' is no command;"),
    ],
)
def test_wrong_word_is_named_with_the_nearest_right_one(capsys, word, says):
    """In one line, with status 2."""
    status, output, errors = answer(capsys, word)
    assert (status, output) == (2, "")
    (line,) = errors.splitlines()
    assert line.startswith(f"triptych: error: {says}")
    assert line.endswith("see triptych --help")


def test_flow_is_asked_for_with_dashes_or_underscores_and_names_itself(capsys):
    """As it was called, in errors and in the command that an option has moved to."""
    for word in ("manage-models", "manage_models"):
        status, _, errors = answer(capsys, word, "--rolback")
        assert status == 2
        assert errors == (
            "triptych manage-models: error: --rolback is no option; did you mean --rollback?;"
            " see --help\n"
        )
    _, _, errors = answer(capsys, "train-fraud", "--rollback")
    assert errors.endswith(
        "--rollback has moved to manage_models: triptych manage-models --rollback\n"
    )


class Nothing(FlowParameters):
    """Nothing is asked for."""


def test_verb_ends_with_the_status_that_it_returns(restored, capsys):
    """1: a person is needed; an error that it raises on purpose is told in its own words."""

    def fail(_: Nothing) -> None:
        raise LookupError("there is no such thing")

    for do, status, told in (
        (lambda _: None, 0, ""),
        (lambda _: 1, 1, ""),
        (fail, 1, "error: there is no such thing\n"),
    ):
        with pytest.raises(SystemExit) as end:
            Command(Nothing, do, (LookupError,)).run("triptych nothing", ())
        assert (end.value.code, capsys.readouterr().err) == (status, told)


def test_it_is_a_console_script_and_a_module(tmp_path):
    """Each names itself."""
    ran = subprocess.run(
        [sys.executable, "-m", "flows", "nothing"], cwd=ROOT, capture_output=True, text=True
    )
    assert ran.returncode == 2
    assert ran.stderr.startswith("python -m flows: error: nothing is no command")
