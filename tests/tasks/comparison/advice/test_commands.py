"""The commands to start with can be typed."""

import importlib
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest

from flows.__main__ import PROGRAM
from tasks.comparison.advice.commands import first_commands
from tasks.comparison.advice.strategy import Strategy
from tasks.comparison.measurement import Way
from tasks.orchestration.command_line import parse

VERBS = {verb.name: verb for group in PROGRAM.groups.values() for verb in group}


@pytest.mark.parametrize("strategy", Strategy)
def test_commands_are_those_of_the_program_and_take_their_options(strategy):
    for start in first_commands(strategy):
        program, verb, *words = shlex.split(start.command)
        assert program == "triptych" and start.does
        command = importlib.import_module(VERBS[verb].module).COMMAND
        assert parse(command.parameters, "triptych", words)


@pytest.mark.parametrize("strategy", Strategy)
def test_what_is_started_is_what_the_strategy_needs(strategy):
    last = first_commands(strategy)[-1].command
    without = last.partition("--without ")[2].split(",")
    assert ("fraud" in without) == (Way.SERVICE not in strategy.ways)
    assert ("device" in without) == (Way.DEVICE not in strategy.ways)
    assert "worker" not in without


def test_sentiment_model_has_a_service_of_its_own():
    """It is none of the stack's parts."""
    (serve,) = first_commands(Strategy.SERVICE, "sentiment")
    program, verb, service = shlex.split(serve.command)
    assert (program, verb) == ("bentoml", "serve")
    module, _, name = service.partition(":")
    if find_spec(module.rpartition(".")[0]) is None:
        pytest.skip("the service is not there yet")
    file = find_spec(module)
    assert file and file.origin
    assert f"class {name}" in Path(file.origin).read_text("utf-8")
    *_, stack = first_commands(Strategy.ALL, "sentiment")
    assert stack.command == "triptych up --without fraud"
