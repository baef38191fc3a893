"""The commands to start with can be typed."""

import importlib
import shlex

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
