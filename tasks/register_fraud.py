"""The roster of `register_fraud`: plain functions of the fraud room, hired as tasks.

TensorFlow and BentoML are loaded by the steps that need them.
"""

import tempfile
from pathlib import Path
from typing import Any

import prefect.runtime
from prefect import task
from prefect.artifacts import create_markdown_artifact
from rich.console import Console

from services.fraud.errors import FraudError, ModelError
from services.fraud.scoring.registry import Registry, Standing
from tasks.orchestration.policies import IO_RETRY, PLAIN
from tasks.settings import Settings

ERRORS = (FraudError,)
_ACTIONS = ("rollback", "end_shadow", "unblock", "list_models")


def name_run() -> str:
    """The run's name in the UI: flow and what it is about."""
    given = dict(prefect.runtime.flow_run.parameters["params"])  # a dict if deployed
    if given.get("model_file"):
        return f"register-fraud {Path(given['model_file']).name}"
    return "register-fraud " + (given.get("model") or next(a for a in _ACTIONS if given.get(a)))


def obtain(
    *,
    model: str | None,
    model_file: Path | None,
    threshold: float | None,
    evaluate_on: Path | None,
) -> str:
    """The tag of the model in question, which is in the store by then."""
    if model is not None:
        return find(model)
    if model_file is None or threshold is None:
        raise ValueError("neither a tag nor a file with its threshold")
    return register(model_file, threshold, evaluate_on)


@task(**PLAIN)
def register(model_file: Path, threshold: float, evaluate_on: Path | None) -> str:
    """Check and convert a network, and put it into the store; its tag."""
    from services.fraud.scoring import store
    from services.fraud.training.candidate import gather
    from services.fraud.training.network_file import package_network
    from services.fraud.transactions.transactions import read_transactions

    material = None if evaluate_on is None else gather(read_transactions(evaluate_on))
    with tempfile.TemporaryDirectory(prefix="fraud-model-") as folder:
        package_network(model_file, threshold, Path(folder), material)
        return store.save(Path(folder), Settings().home, {"origin": "registered"})


@task(**PLAIN)
def find(model: str) -> str:
    """The tag of a model that is in the store, whole.

    Raises: ModelError: it is not.
    """
    from services.fraud.scoring import store

    home = Settings().home
    if model == "latest":
        model = next(iter(store.tags(home)), "")
        if not model:
            raise ModelError(f"no model in {store.store_folder(home)}")
    tag = model if ":" in model else f"{store.MODEL}:{model}"
    store.folder(tag, home)
    return tag


@task(**PLAIN)
def give_role(tag: str, promote: bool, shadow: bool, override_block: bool) -> None:
    """Make a model champion, or the shadow, or neither."""
    from services.fraud.scoring.model_check import checked_registry

    registry = checked_registry(Settings().home)
    if shadow:
        registry.shadow(tag)
    elif promote:
        registry.promote(tag, "registered", override_block=override_block)


@task(**PLAIN)
def show(tag: str) -> str:
    """The model's figures, in the UI and on the terminal."""
    from services.fraud.scoring import store
    from services.fraud.scoring.card import Card
    from services.fraud.training import metrics

    home = Settings().home
    registry, folder = Registry(home), store.folder(tag, home)
    result = metrics.Result(
        tag=tag,
        role=registry.read().role(tag),
        card=Card.read(folder),
        where={"model": str(folder), "registry": str(registry.file)},
    )
    create_markdown_artifact(metrics.render_markdown(result), key="register-fraud")
    _say(metrics.render_terminal(result))
    return tag


@task(**PLAIN)
def list_models() -> None:
    """All models in the store, newest first, with their roles, and which of them cannot answer."""
    from services.fraud.scoring import store
    from services.fraud.scoring.model_check import check, faults
    from services.fraud.training import metrics

    home = Settings().home
    standing, warnings = Standing(), []
    try:
        standing = Registry(home).read()
    except ModelError as error:
        warnings.append(str(error))
    models: list[metrics.Result | metrics.Unable] = []
    for tag in store.tags(home):
        role = standing.role(tag)
        try:
            models.append(metrics.Result(tag, role, check(tag, home)))
        except ModelError as error:
            models.append(metrics.Unable(tag, role))
            if role == "candidate" and tag not in standing.previous[:1]:
                warnings.append(str(error))
    warnings += faults(standing, home)
    if not models:
        _say(f"no model in {store.store_folder(home)}")
    _say(metrics.render_list(models, warnings))


@task(**PLAIN)
def roll_back() -> str:
    """Make the champion before answer again."""
    from services.fraud.scoring.model_check import checked_registry

    tag = checked_registry(Settings().home).rollback()
    _say(f"champion: {tag}")
    return tag


@task(**PLAIN)
def end_shadow() -> None:
    """Let no model score along any more."""
    Registry(Settings().home).shadow(None)
    _say("no shadow")


@task(**IO_RETRY)
def unblock() -> None:
    """Allow promotion again."""
    registry = Registry(Settings().home)
    block = registry.blocked()
    registry.unblock()
    _say(f"promotion is allowed again; it was blocked: {block}" if block else "nothing was blocked")


def _say(what: Any) -> None:
    Console().print(what, soft_wrap=True, highlight=False)
