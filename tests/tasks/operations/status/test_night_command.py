"""What is to be typed to run a night again."""

import json
import shlex
from dataclasses import asdict
from typing import Any

import pytest

from flows.score_sentiment import ScoreSentiment
from tasks.operations.status.night_command import night_command
from tasks.orchestration.command_line import parse
from tasks.sentiment.run.scoring_run import Request

PLAIN: dict[str, Any] = {
    "source": "in/shop's reviews.csv",
    "text_column": "review",
    "id_column": None,
    "carry": (),
    "group_column": None,
    "encoding": "utf-8",
    "rows_per_part": 2_000,
    "model": "triptych-sentiment",
    "model_revision": None,
    "model_digest": "0ed5",
    "precision": "auto",
}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"id_column": "id", "carry": ("product", "stars"), "group_column": "day"},
        {"encoding": "latin-1", "rows_per_part": 500, "precision": "int8", "model_revision": "v1"},
        {"keep_null_words": True, "reject_unknown_text": True, "columns": ("review", "id")},
        {"delimiter": ";", "quote": "none", "escape": "\\", "skip_lines": 0, "sheet": "- 2026"},
        {"positive_label": ("LABEL_1", "gut"), "neutral_label": ("mittel",), "carry": ("a",)},
    ],
)
def test_command_asks_for_what_the_night_was_asked_for(changes):
    """Option by option, as the command line reads it: an id that is missing makes other rows."""
    request = Request(**{**PLAIN, **changes})
    recorded = json.loads(json.dumps(asdict(request)))

    program, flow, *words = shlex.split(night_command(recorded, "shop", "2026-11-22"))

    assert (program, flow) == ("triptych", "score-sentiment")
    asked = parse(ScoreSentiment, "triptych score-sentiment", words)
    assert (asked.source_name, str(asked.run_date)) == ("shop", "2026-11-22")
    names = {"group_column": "report_by"}
    for name, value in asdict(request).items():
        if name != "model_digest":
            assert getattr(asked, names.get(name, name)) == value, name


def test_command_of_which_little_is_known_says_what_is_missing():
    """As in a home whose manifest lacks it."""
    told = night_command({}, "shop", "2026-11-22")
    assert told.startswith("triptych score-sentiment --source SOURCE --source-name shop ")
