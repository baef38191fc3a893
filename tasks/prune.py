"""The task module of `prune`: what is old is found, and deleted if that is asked for."""

from dataclasses import fields
from typing import Any

from prefect import task

from services.fraud.errors import FraudError
from services.storage.errors import StorageError
from tasks.operations.retention import pruning
from tasks.operations.retention.holds import RetentionError, read_holds
from tasks.operations.retention.kind import Place, Rules
from tasks.orchestration.policies import DB_RETRY
from tasks.orchestration.reporting import add_table, run_parameters
from tasks.orchestration.terminal import print_notice, print_result
from tasks.sentiment.errors import SentimentError
from tasks.settings import Settings

ERRORS = (RetentionError, SentimentError, FraudError, StorageError)


def name_run() -> str:
    """The run's name in the UI: whether it deletes."""
    return "prune" if run_parameters().get("delete") else "prune (dry run)"


@task(**DB_RETRY)
def prune(params: Any) -> None:
    """Show what is old, and delete it if asked to.

    params: the flow's Prune.
    Raises: RetentionError: files that say what is there are damaged; all else was done.
    """
    settings = Settings()
    rules = Rules(**{field.name: getattr(params, field.name) for field in fields(Rules)})
    place = Place(
        settings.home,
        settings.warehouse_url,
        rules,
        read_holds(settings.home),
        scores_url=settings.scores_url,
        fraud_state_url=settings.fraud_state_url,
    )
    with pruning.alone(place):
        found = pruning.find_old(place)
        gone = [kind.delete() if params.delete else None for kind in found]
    rows = [pruning.cells(kind, each) for kind, each in zip(found, gone, strict=True)]
    add_table("prune", rows)
    print_result(pruning.render(rows))
    for left in (line for each in gone if each for line in each.left):
        print_notice(f"left: {left}")
    if not params.delete and any(kind.goes for kind in found):
        print_notice("nothing was deleted: --yes deletes what would go")
    if faults := list(dict.fromkeys(fault for kind in found for fault in kind.faults)):
        raise RetentionError("not looked at: " + "; ".join(faults))
