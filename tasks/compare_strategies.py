"""The task module of `compare_strategies`: what is measured, priced, recommended and reported.

What measures and what draws is loaded by the functions that need it. Answering a file of
requirements needs neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import task

from services.storage.files import write_text
from tasks.comparison.advice import told
from tasks.comparison.advice.advise import Advice, advise
from tasks.comparison.advice.need import Requirements, read_requirements
from tasks.comparison.errors import ComparisonError, MeasurementsError
from tasks.comparison.pricing.sheet import PriceSheet, read_sheet
from tasks.comparison.records import (
    PAGE,
    Recorded,
    last_figures,
    read_figures,
    run_folder,
    write_figures,
)
from tasks.orchestration.policies import PLAIN
from tasks.orchestration.reporting import add_markdown, run_parameters, scheduled_time
from tasks.orchestration.terminal import print_notice, print_result
from tasks.settings import Settings

if TYPE_CHECKING:
    from tasks.comparison.report.build import Report

ERRORS = (ComparisonError, OSError)
NOTHING_MEETS = 1  # the exit status where no strategy meets the requirements


@dataclass(frozen=True)
class Asked:
    """The files that a comparison is given, read."""

    sheet: PriceSheet
    need: Requirements | None


@dataclass(frozen=True)
class Outcome:
    """How a comparison ended.

    answer: the recommended strategy; None: nothing was required, or nothing meets it. status: the
    command's exit status.
    """

    answer: str | None
    status: int
    page: Path | None


def name_run() -> str:
    """The run's name in the UI: flow and day."""
    models = run_parameters().get("models") or ()
    return f"compare-strategies {', '.join(models)} {scheduled_time():%Y-%m-%d}"


def read_files(params: Any) -> Asked:
    """The price sheet and the requirements. params: the flow's CompareStrategies.

    Raises: ComparisonError: in one line, what is wrong in which file, and what would be right.
    """
    need = read_requirements(params.requirements) if params.requirements else None
    return Asked(read_sheet(params.prices), need)


def answer_at_once(params: Any) -> int | None:
    """The exit status of what needs no run, and no Prefect: all that measures nothing; else None.

    params: the flow's CompareStrategies.
    """
    if params.measures:
        return None
    asked, recorded = read_files(params), find_figures(params)
    advice = _advice(asked, recorded)
    if advice is not None:
        print_result(told.terminal(advice))
    if recorded is not None and (params.output or advice is None):
        _conclude(params, recorded, asked, advice)
    elif params.output:
        raise MeasurementsError(
            "there are no measurements yet, and so no page: leave --output out, or add --measure"
        )
    return _status(asked, advice)


def find_figures(params: Any) -> Recorded | None:
    """The measurements that are named, or the last ones in the home; None: there are none.

    Raises: MeasurementsError. params: the flow's CompareStrategies.
    """
    if params.measurements:
        return read_figures(params.measurements)
    return last_figures(Settings().home)


@task(**PLAIN)
def measure(params: Any) -> Recorded:
    """Run each model in all three ways, and keep what was measured. params: CompareStrategies."""
    from tasks.comparison.measuring.run import measure_models

    home = Settings().home
    folder = params.output or run_folder(home, datetime.now(UTC))
    comparison = measure_models(params.models, home, params.minutes * 60, params.seed, print_notice)
    return read_figures(write_figures(folder, comparison))


@task(**PLAIN)
def report(params: Any, asked: Asked, recorded: Recorded | None) -> Outcome:
    """The recommendation and the page: on disk, in the UI and on the terminal."""
    from tasks.comparison.report import summary

    advice = _advice(asked, recorded)
    if advice is not None:
        print_result(told.terminal(advice))
    page = None
    if recorded is not None:
        found = _conclude(params, recorded, asked, advice)
        add_markdown("compare-strategies", summary.render_markdown(found))
        page = _folder(params, recorded) / PAGE
    elif advice is not None:
        add_markdown("compare-strategies", told.markdown(advice))
    answer = advice.answer.value if advice and advice.answer else None
    return Outcome(answer, _status(asked, advice), page)


def status_of(outcome: Outcome) -> int:
    """The command's exit status: 1 where nothing meets the requirements."""
    return outcome.status


def _advice(asked: Asked, recorded: Recorded | None) -> Advice | None:
    if asked.need is None:
        return None
    if recorded is None:
        return advise(asked.need, asked.sheet)
    return advise(asked.need, asked.sheet, recorded.comparison, recorded.origin)


def _conclude(params: Any, recorded: Recorded, asked: Asked, advice: Advice | None) -> Report:
    """Write the page, and tell the figures in short."""
    from tasks.comparison.report.build import build
    from tasks.comparison.report.page import render_html
    from tasks.comparison.report.summary import render_terminal

    found = build(recorded.comparison, asked.sheet, advice, recorded.origin)
    page = _folder(params, recorded) / PAGE
    write_text(page, render_html(found))
    print_result(render_terminal(found))
    print_result(f"look at        {page}")
    return found


def _folder(params: Any, recorded: Recorded) -> Path:
    folder: Path = params.output or recorded.file.parent
    return folder


def _status(asked: Asked, advice: Advice | None) -> int:
    unmet = asked.need is not None and (advice is None or advice.answer is None)
    return NOTHING_MEETS if unmet else 0
