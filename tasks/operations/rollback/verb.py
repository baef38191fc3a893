"""`triptych rollback`: what it is asked for, and which of the three it is."""

from datetime import date
from typing import Any

from edge_detector.errors import EdgeError

from edge.release.errors import PublisherError
from services.fraud.errors import FraudError
from tasks.operations.rollback.errors import RollbackError
from tasks.operations.rollback.model import rollback_model
from tasks.operations.rollback.night import rollback_night
from tasks.operations.rollback.release import rollback_release
from tasks.orchestration.terminal import print_result
from tasks.sentiment.errors import SentimentError
from tasks.settings import Settings

ERRORS = (RollbackError, SentimentError, FraudError, PublisherError, EdgeError)


def run(asked: Any) -> None:
    """Go back, and say what changed. asked: the verb's Rollback. Raises: one of ERRORS."""
    settings = Settings()
    if asked.what == "night":
        to = None if asked.to is None else _night(asked.to)
        lines = rollback_night(settings, asked.source, to, asked.run, asked.dry_run)
    elif asked.what == "model":
        lines = rollback_model(
            settings,
            asked.to,
            override_block=asked.override_block,
            new_contract=asked.new_contract,
            dry=asked.dry_run,
        )
    else:
        lines = rollback_release(settings, asked.to, asked.name, asked.channel, asked.dry_run)
    for line in lines:
        print_result(line)


def _night(to: str) -> date:
    try:
        return date.fromisoformat(to)
    except ValueError:
        raise RollbackError(f"{to} is no night: write it as 2026-11-22") from None
