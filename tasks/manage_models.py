"""The task module of `manage_models`: the roles of fraud models, given by functions run as tasks.

TensorFlow and BentoML are loaded by the steps that need them.
"""

from prefect import task

from services.fraud.errors import FraudError, ModelError
from services.fraud.model_storage.standing import Standing
from services.fraud.scoring.models import Models
from tasks.operations.shared_history import share_history
from tasks.orchestration.parameters import name_action
from tasks.orchestration.policies import IO_RETRY, PLAIN
from tasks.orchestration.reporting import NEW_CHAMPION, add_markdown, announce, run_parameters
from tasks.orchestration.terminal import print_notice, print_result
from tasks.settings import Settings

ERRORS = (FraudError,)
ACTIONS = (
    *("promote", "shadow", "check", "rollback", "end_shadow", "unblock", "list_models"),
    "share",
)


def _models() -> Models:
    settings = Settings()
    return Models(settings.home, settings.fraud_state_url)


def name_run() -> str:
    """The run's name in the UI: flow, action and model."""
    given = run_parameters()
    return f"manage-models {name_action(given, ACTIONS)}"


@task(**PLAIN)
def find(model: str) -> str:
    """The tag of a model that is there, whole.

    Raises: ModelError: it is not.
    """
    from services.fraud.scoring.store import MODEL

    models = _models()
    if model == "latest":
        model = next(iter(models.tags()), "")
        if not model:
            raise ModelError(f"no model in {models.places}")
    tag = model if ":" in model else f"{MODEL}:{model}"
    models.folder(tag)
    return tag


@task(**PLAIN)
def promote(tag: str, override_block: bool, new_contract: bool = False) -> None:
    """Make a model champion."""
    from services.fraud.scoring.model_check import checked_registry

    registry = checked_registry(_models())
    registry.promote(tag, "registered", override_block=override_block, new_contract=new_contract)
    announce(NEW_CHAMPION, tag)
    if changed := registry.read().new_contract:
        print_notice(f"new contract: {tag} {changed}")


@task(**PLAIN)
def shadow(tag: str) -> None:
    """Let a model score along unheard."""
    from services.fraud.scoring.model_check import checked_registry

    checked_registry(_models()).shadow(tag)


@task(**PLAIN)
def check(tag: str) -> None:
    """Open a model as the service opens it.

    Raises: ModelError: it cannot answer.
    """
    from services.fraud.scoring import model_check

    model_check.check(tag, _models())


@task(**PLAIN)
def show(tag: str) -> str:
    """The model's figures, in the UI and on the terminal."""
    from services.fraud.scoring.card import Card
    from services.fraud.training import metrics

    models = _models()
    registry, folder = models.registry(), models.folder(tag)
    result = metrics.Result(
        tag=tag,
        role=registry.read().role(tag),
        card=Card.read(folder),
        where={"model": str(folder), "registry": registry.place},
    )
    add_markdown("manage-models", metrics.render_markdown(result))
    print_result(metrics.render_terminal(result))
    return tag


@task(**PLAIN)
def list_models() -> None:
    """All models that there are, newest first, with their roles, and which cannot answer."""
    from services.fraud.scoring.model_check import check, faults
    from services.fraud.training import metrics

    models, standing, warnings = _models(), Standing(), []
    try:
        standing = models.registry().read()
    except ModelError as error:
        warnings.append(str(error))
    listed: list[metrics.Result | metrics.Unable] = []
    for tag in models.tags():
        role = standing.role(tag)
        try:
            listed.append(metrics.Result(tag, role, check(tag, models)))
        except ModelError as error:
            listed.append(metrics.Unable(tag, role))
            if role == "candidate" and tag not in standing.previous[:1]:
                warnings.append(str(error))
    warnings += faults(standing, models)
    if not listed:
        print_result(f"no model in {models.places}")
    print_result(metrics.render_list(listed, warnings))


@task(**PLAIN)
def roll_back(new_contract: bool = False) -> str:
    """Make the champion before answer again."""
    from services.fraud.scoring.model_check import checked_registry

    registry = checked_registry(_models())
    tag = registry.rollback(new_contract=new_contract)
    announce(NEW_CHAMPION, tag)
    if changed := registry.read().new_contract:
        print_notice(f"new contract: {tag} {changed}")
    print_result(f"champion: {tag}")
    return tag


@task(**PLAIN)
def end_shadow() -> None:
    """Let no model score along any more."""
    _models().registry().shadow(None)
    print_result("no shadow")


@task(**IO_RETRY)
def unblock() -> None:
    """Allow promotion again."""
    registry = _models().registry()
    block = registry.blocked()
    registry.unblock()
    print_result(
        f"promotion is allowed again; it was blocked: {block}" if block else "nothing was blocked"
    )


@task(**IO_RETRY)
def share() -> str | None:
    """Copy the home's models, roles and history to where several machines share them.

    Returns: the champion there.
    """
    settings = Settings()
    done = _models().share()
    share_history(settings.home, settings.fraud_state_url)
    for told in done.damaged:
        print_notice(f"left out: {told}")
    print_result(f"copied: {', '.join(done.copied) or 'nothing, for all models are there already'}")
    champion = done.there.champion
    if done.own.champion not in (None, champion):
        print_notice(f"of this home alone, {done.own.champion} was champion")
    print_result(f"champion of all machines: {champion or 'none'}")
    return champion
