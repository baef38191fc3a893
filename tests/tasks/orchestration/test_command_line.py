"""The command line of every flow: a wrong word is named, with the right one."""

import argparse
import importlib
import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from flows.score_sentiment import ScoreSentiment
from flows.verbs.backfill import Backfill
from flows.verbs.rollback import Rollback
from tasks.orchestration.command_line import parse
from tasks.orchestration.parameters import FlowParameters, options_in

FLOWS = sorted(
    file.stem for file in (Path(__file__).parents[3] / "flows").glob("*.py") if file.stem[0] != "_"
)


def parameters_of(flow: str) -> type[FlowParameters]:
    model: type[FlowParameters] = getattr(
        importlib.import_module(f"flows.{flow}"), flow.title().replace("_", "")
    )
    return model


def told(capsys: pytest.CaptureFixture[str], flow: str, *words: str) -> str:
    """The one line that refuses the words."""
    with pytest.raises(SystemExit) as end:
        parse(parameters_of(flow), flow, words)
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{flow}: error: ")
    return line


@pytest.mark.parametrize("flow", FLOWS)
def test_option_with_two_letters_swapped_is_named_with_the_right_one(capsys, flow):
    """Each option of each flow, whether or not a required one is missing too."""
    options = [
        f"--{name.rstrip('_').replace('_', '-')}" for name in parameters_of(flow).model_fields
    ]
    for option in options:
        wrong = f"{option[:-2]}{option[-1]}{option[-2]}"
        if wrong in options or wrong == option:
            continue
        assert re.search(
            rf"{wrong} is no option; did you mean .*{option}\b", told(capsys, flow, wrong)
        )


def test_option_that_lacks_a_letter_is_told_before_what_is_missing(capsys):
    """A typo in a required option is no missing option."""
    line = told(capsys, "score_sentiment", "--source", "x", "--text-colum", "review")

    assert "--text-colum is no option; did you mean --text-column?" in line


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--source", "x"), "required: --text-column"),
        (("--precision", "int9"), "--precision: .*'float32'"),
        (("--rescore=yes",), "--rescore takes no value"),
        (("--source", "y"), "--source is given twice, as x and y"),
        (("--rows-per-part", "many"), "--rows-per-part: .*integer"),
        (("--min-rows", "-1"), "--min-rows: .*greater than or equal to 0"),
        (("reviews.csv",), "reviews.csv belongs to no option"),
    ],
)
def test_wrong_value_is_told_in_one_line(capsys, words, says):
    """Values, switches, words and repetitions; without the usage before it."""
    given = () if "--source" in words and "x" in words else ("--source", "x", "--text-column", "y")

    assert re.search(says, told(capsys, "score_sentiment", *given, *words))


@pytest.mark.parametrize("number", ["0", "20261122", "1764288000", "-86400", "2026"])
@pytest.mark.parametrize(
    ("flow", "option"),
    [
        ("score_sentiment", "--run-date"),
        ("audit_fraud", "--run-date"),
        ("train_fraud", "--run-date"),
        ("train_fraud", "--test-start"),
    ],
)
def test_number_is_no_day(capsys, flow, option, number):
    """It would be one of 1970, or whatever day has that many seconds before it."""
    needed = {
        "score_sentiment": ("--source", "x", "--text-column", "y"),
        "audit_fraud": ("--labels", "x.csv"),
    }
    words = (*needed.get(flow, ()), f"{option}={number}")

    assert f"{option}: {number} is no day: write it as 2026-11-22" in told(capsys, flow, *words)


def test_run_date_of_the_future_is_refused(capsys):
    """Its results would stay the current ones until then, whatever later nights say."""
    words = ("--source", "x", "--text-column", "y")
    today = datetime.now(UTC).date()

    said = told(capsys, "score_sentiment", *words, "--run-date=2206-11-22")
    ScoreSentiment(source="x", text_column="y", run_date=today + timedelta(days=1))

    assert "--run-date: 2206-11-22 is in the future: give a day up to 20" in said


def test_backfill_into_the_future_is_refused():
    """Before any of its dates runs."""
    given = {"source": "{date}.csv", "source_name": "shop", "text_column": "y"}
    with pytest.raises(ValidationError, match="2206-11-22 is in the future"):
        Backfill(**given, **{"from": "2206-11-21", "to": "2206-11-22"})


@pytest.mark.parametrize("number", ["0", "2026", "1764288000"])
def test_number_is_no_moment(capsys, number):
    """Likewise where a time of day belongs to it."""
    said = told(capsys, "collect_telemetry", f"--as-of={number}")

    assert f"--as-of: {number} is no moment: write it as 2026-11-22T08:00" in said


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (330, "330 is no time of day: write it as 05:30, in quotes"),  # what YAML makes of 5:30
        ("330", "330 is no time of day: write it as 05:30, in quotes"),
        ("5:30", "5:30 has an hour of one digit: write it as 05:30"),
        ("05:30+02:00", "give a time of day without an offset"),
    ],
)
def test_time_that_is_not_written_in_full_says_how(given, says):
    """A number would be seconds since midnight, in UTC."""
    with pytest.raises(ValidationError, match=re.escape(says)):
        ScoreSentiment(source="x", text_column="y", stop_at=given)


@pytest.mark.parametrize("flow", FLOWS)
def test_address_for_a_file_of_this_machine_is_refused_by_its_kind(capsys, flow):
    """Every parameter that is a path, without the address, which may hold a password."""
    fields = parameters_of(flow).model_fields
    paths = [name for name, field in fields.items() if "Path" in str(field.annotation)]
    required = [name for name, field in fields.items() if field.is_required()]
    for name in {*paths} - {"device_pythons"}:
        option = f"--{name.replace('_', '-')}"
        needed = [f"--{each.replace('_', '-')}=0" for each in required if each != name]
        line = told(capsys, flow, option, "https://user:secret@host/a.csv", *needed)
        assert f"{option}: https:// addresses are not read: copy it" in line
        assert "secret" not in line


def test_model_may_be_a_name_or_a_path_and_no_address(capsys):
    """As for the others; a path that only looks like one is read."""
    line = told(capsys, "publish_detector", "--model", "s3://bucket/model.tflite")

    assert "--model: s3:// addresses are not read" in line
    given = parse(parameters_of("publish_detector"), "prog", ["--model", "a/b.tflite"])
    assert given.model_dump()["model"] == "a/b.tflite"


@pytest.mark.parametrize(
    ("flow", "words", "command"),
    [
        ("publish_detector", "--renew", "manage_releases --renew"),
        ("publish_detector", "--list-releases", "manage_releases --list-releases"),
        ("publish_detector", "--rotate=root", "manage_releases --rotate root"),
        (
            "publish_detector",
            "--reason 'misses [2] nuts' --withdraw 1.2.0 --name parts",
            "manage_releases --withdraw 1.2.0 --reason 'misses [2] nuts' --name parts",
        ),
        (
            "publish_detector",
            "--roll-out 1.2.0 --share 0.5 --channel canary",
            "manage_releases --roll-out 1.2.0 --channel canary --share 0.5",
        ),
        ("train_fraud", "--rollback", "manage_models --rollback"),
        ("register_fraud", "--rollback", "manage_models --rollback"),
        ("register_fraud", "--list-models", "manage_models --list-models"),
        ("register_fraud", "--end-shadow", "manage_models --end-shadow"),
        ("register_fraud", "--unblock", "manage_models --unblock"),
        ("register_fraud", "--model latest", "manage_models --promote latest"),
        (
            "register_fraud",
            "--model a:1 --override-block",
            "manage_models --promote a:1 --override-block",
        ),
        ("register_fraud", "--model a:1 --shadow", "manage_models --shadow a:1"),
        ("register_fraud", "--model a:1 --no-promote", "manage_models --check a:1"),
    ],
)
def test_option_that_has_moved_is_told_with_the_new_command(capsys, flow, words, command):
    """Whole, to be copied, and right: the other flow takes it. In a deployment's form likewise."""
    given = shlex.split(words)

    line = told(capsys, flow, *given)

    assert line.endswith(f" has moved to {command.split()[0]}: python -m flows.{command}")
    new, *options = shlex.split(command)
    parse(parameters_of(new), new, options)
    with pytest.raises(ValidationError, match=re.escape(f"python -m flows.{new} {options[0]}")):
        parameters_of(flow)(**options_in(given))


def test_right_words_are_read_as_before():
    """Lists repeated or with commas, negative numbers, a query that begins with a comment."""
    given = parse(
        parameters_of("score_sentiment"),
        "prog",
        ["--source", "-- c\nSELECT 1", "--text-column=a", "--carry", "b", "--carry", "c,d"],
    )

    assert given.model_dump(exclude_unset=True) == {
        "source": "-- c\nSELECT 1",
        "text_column": "a",
        "carry": ("b", "c", "d"),
    }
    gained = parse(parameters_of("train_fraud"), "prog", ["--min-floor-gain", "-0.1"])
    assert gained.model_dump()["min_floor_gain"] == -0.1


@pytest.mark.parametrize(
    ("module", "words", "says"),
    [
        ("edge.fleet.server", ["--prt", "1"], "did you mean --port?"),
        ("edge.release.clip", ["--sed", "1"], "did you mean --seed?"),
        ("services.fraud.simulator", ["--outptu", "x"], "did you mean --output?"),
        ("services.fraud.demo", ["--x"], "takes no arguments"),
    ],
)
def test_other_commands_name_the_wrong_word_too(capsys, monkeypatch, module, words, says):
    """Those that are no flows."""
    monkeypatch.setattr("sys.argv", [module, *words])
    main = importlib.import_module(module).main
    try:
        status = main()
    except SystemExit as end:
        status = end.code

    assert status == 2
    assert says in capsys.readouterr().err


def test_parser_of_the_standard_library_has_what_is_looked_into():
    """The words are compared with what it keeps of its options."""
    assert "-h" in argparse.ArgumentParser()._option_string_actions


def test_wrong_choice_gets_the_nearest_right_one(capsys):
    """By the name that people type, which has dashes where it is an option."""
    line = told(
        capsys, "score_sentiment", "--source", "x", "--text-column", "t", "--precision=int7"
    )
    assert "error: --precision: " in line and line.endswith("; did you mean int8?")

    with pytest.raises(SystemExit):
        parse(Rollback, "triptych rollback", ["nite"])
    line = capsys.readouterr().err
    assert "error: what: " in line and line.endswith("; did you mean night?\n")
