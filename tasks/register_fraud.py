"""The task module of `register_fraud`: plain functions of services.fraud, run as tasks.

TensorFlow and BentoML are loaded by the steps that need them.
"""

import tempfile
from pathlib import Path
from typing import Any

from prefect import task

from services.fraud.errors import FraudError
from tasks.orchestration.policies import PLAIN
from tasks.orchestration.reporting import add_markdown, print_result, run_parameters
from tasks.settings import Settings

ERRORS = (FraudError,)


def name_run() -> str:
    """The run's name in the UI: flow and file."""
    given = run_parameters()
    return f"register-fraud {Path(given['model_file']).name}"


@task(**PLAIN)
def register(
    model_file: Path,
    threshold: float,
    evaluate_on: Path | None,
    **options: Any,
) -> str:
    """Check and convert a network, put it into the store, say how it is read; its tag.

    options: what its owner says of it; see `NetworkOptions`.
    """
    from services.fraud.registration.network_file import NetworkOptions
    from services.fraud.registration.packaging import package_network
    from services.fraud.registration.summary import render_markdown, render_terminal
    from services.fraud.scoring import store
    from services.fraud.training.candidate import prepare_data
    from services.fraud.transactions.transactions import read_transactions

    data = None if evaluate_on is None else prepare_data(read_transactions(evaluate_on))
    with tempfile.TemporaryDirectory(prefix="fraud-model-") as folder:
        card = package_network(model_file, threshold, Path(folder), data, NetworkOptions(**options))
        tag = store.save(Path(folder), Settings().home, {"origin": "registered"})
    add_markdown("register-fraud", render_markdown(tag, card))
    print_result(render_terminal(card))
    return tag
