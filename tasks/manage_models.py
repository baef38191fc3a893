"""The task module of `manage_models`: the roles of fraud models, given by functions run as tasks.

TensorFlow and BentoML are loaded by the steps that need them.
"""

from prefect import task

from services.fraud.errors import FraudError, ModelError
from services.fraud.scoring.registry import Registry, Standing
from tasks.orchestration.parameters import name_action
from tasks.orchestration.policies import IO_RETRY, PLAIN
from tasks.orchestration.reporting import NEW_CHAMPION, add_markdown, announce, run_parameters
from tasks.orchestration.terminal import print_notice, print_result
from tasks.settings import Settings

ERRORS = (FraudError,)
ACTIONS = ("promote", "shadow", "check", "rollback", "end_shadow", "unblock", "list_models")


def name_run() -> str:
    """The run's name in the UI: flow, action and model."""
    given = run_parameters()
    return f"manage-models {name_action(given, ACTIONS)}"


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
def promote(tag: str, override_block: bool, new_contract: bool = False) -> None:
    """Make a model champion."""
    from services.fraud.scoring.model_check import checked_registry

    registry = checked_registry(Settings().home)
    registry.promote(tag, "registered", override_block=override_block, new_contract=new_contract)
    announce(NEW_CHAMPION, tag)
    if changed := registry.read().new_contract:
        print_notice(f"new contract: {tag} {changed}")


@task(**PLAIN)
def shadow(tag: str) -> None:
    """Let a model score along unheard."""
    from services.fraud.scoring.model_check import checked_registry

    checked_registry(Settings().home).shadow(tag)


@task(**PLAIN)
def check(tag: str) -> None:
    """Open a model as the service opens it.

    Raises: ModelError: it cannot answer.
    """
    from services.fraud.scoring import model_check

    model_check.check(tag, Settings().home)


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
    add_markdown("manage-models", metrics.render_markdown(result))
    print_result(metrics.render_terminal(result))
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
        print_result(f"no model in {store.store_folder(home)}")
    print_result(metrics.render_list(models, warnings))


@task(**PLAIN)
def roll_back(new_contract: bool = False) -> str:
    """Make the champion before answer again."""
    from services.fraud.scoring.model_check import checked_registry

    registry = checked_registry(Settings().home)
    tag = registry.rollback(new_contract=new_contract)
    announce(NEW_CHAMPION, tag)
    if changed := registry.read().new_contract:
        print_notice(f"new contract: {tag} {changed}")
    print_result(f"champion: {tag}")
    return tag


@task(**PLAIN)
def end_shadow() -> None:
    """Let no model score along any more."""
    Registry(Settings().home).shadow(None)
    print_result("no shadow")


@task(**IO_RETRY)
def unblock() -> None:
    """Allow promotion again."""
    registry = Registry(Settings().home)
    block = registry.blocked()
    registry.unblock()
    print_result(
        f"promotion is allowed again; it was blocked: {block}" if block else "nothing was blocked"
    )
