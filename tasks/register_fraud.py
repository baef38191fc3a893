"""The task module of `register_fraud`: plain functions of services.fraud, run as tasks.

TensorFlow and BentoML are loaded by the steps that need them.
"""

import tempfile
from pathlib import Path

from prefect import task

from services.fraud.errors import FraudError
from tasks.orchestration.policies import PLAIN
from tasks.orchestration.reporting import run_parameters
from tasks.settings import Settings

ERRORS = (FraudError,)


def name_run() -> str:
    """The run's name in the UI: flow and file."""
    given = run_parameters()
    return f"register-fraud {Path(given['model_file']).name}"


@task(**PLAIN)
def register(model_file: Path, threshold: float, evaluate_on: Path | None) -> str:
    """Check and convert a network, and put it into the store; its tag."""
    from services.fraud.scoring import store
    from services.fraud.training.candidate import prepare_data
    from services.fraud.training.network_file import package_network
    from services.fraud.transactions.transactions import read_transactions

    data = None if evaluate_on is None else prepare_data(read_transactions(evaluate_on))
    with tempfile.TemporaryDirectory(prefix="fraud-model-") as folder:
        package_network(model_file, threshold, Path(folder), data)
        return store.save(Path(folder), Settings().home, {"origin": "registered"})
