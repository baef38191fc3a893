"""The task module of `register_fraud`: plain functions of services.fraud, run as tasks.

TensorFlow and BentoML are loaded by the steps that need them.
"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import task

from services.fraud.errors import FraudError
from tasks.operations.lineage.made import remember_registered
from tasks.orchestration.policies import PLAIN
from tasks.orchestration.reporting import add_markdown, run_parameters
from tasks.orchestration.terminal import print_result
from tasks.orchestration.transaction_files import reading_of
from tasks.settings import Settings

if TYPE_CHECKING:
    from services.fraud.transactions.foreign import Reading

ERRORS = (FraudError,)


def name_run() -> str:
    """The run's name in the UI: flow and file."""
    given = run_parameters()
    return f"register-fraud {Path(given['model_file']).name}"


def reading(params: Any) -> Reading:
    """How the file of transactions is read. params: the flow's RegisterFraud."""
    return reading_of(params, datetime.now(UTC).date())


@task(**PLAIN)
def register(
    model_file: Path,
    threshold: float,
    evaluate_on: Path | None,
    reading: Reading | None = None,
    **options: Any,
) -> str:
    """Check and convert a network, put it into the store, say how it is read; its tag.

    options: what its owner says of it; see `NetworkOptions`.
    """
    from services.fraud.registration.network_file import NetworkOptions
    from services.fraud.registration.packaging import package_network
    from services.fraud.registration.summary import render_markdown, render_terminal
    from services.fraud.scoring.models import Models
    from services.fraud.training.candidate import prepare_data
    from services.fraud.transactions.foreign import Reading, read_foreign

    data = None
    if evaluate_on is not None:
        table, assumed = read_foreign(evaluate_on, reading or Reading())
        data = prepare_data(table, assumed=assumed)
    with tempfile.TemporaryDirectory(prefix="fraud-model-") as folder:
        card = package_network(model_file, threshold, Path(folder), data, NetworkOptions(**options))
        settings = Settings()
        models = Models(settings.home, settings.fraud_state_url)
        tag = models.save(Path(folder), {"origin": "registered"})
        remember_registered(models.home, tag, Path(folder), model_file, evaluate_on)
    add_markdown("register-fraud", render_markdown(tag, card))
    print_result(render_terminal(card))
    return tag
