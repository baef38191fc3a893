"""Retry policies of tasks, and what may be retried at all."""

from typing import Any

from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from edge.release.errors import PublisherError
from services.fraud.errors import FraudError
from services.storage.errors import StorageBusy, StorageError
from tasks.orchestration.faults import is_lasting
from tasks.sentiment.errors import SentimentError

_PERMANENT = (
    StorageError,
    SentimentError,
    FraudError,
    PublisherError,
    ValueError,
    TypeError,
    AssertionError,
)


def is_transient(error: BaseException) -> bool:
    """Whether trying again may help: a busy database, a failing disk or network.

    Never with a database that is broken, with bad data, nor with a disk that stays full or
    read-only until somebody acts.
    """
    if isinstance(error, StorageBusy):
        return True
    return not isinstance(error, _PERMANENT) and not is_lasting(error)


def _may_retry(task: Task[Any, Any], run: TaskRun, state: State[Any]) -> bool:
    try:
        state.result()
    except Exception as error:
        return is_transient(error)
    return False


# A step is idempotent by its outputs, so that no policy caches results: files would go stale.
PLAIN: dict[str, Any] = {"cache_policy": NO_CACHE}
IO_RETRY: dict[str, Any] = {
    **PLAIN,
    "retries": 2,
    "retry_delay_seconds": [1, 5],
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": _may_retry,
}
DB_RETRY: dict[str, Any] = {
    **PLAIN,
    "retries": 4,
    "retry_delay_seconds": [1, 5, 20, 60],
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": _may_retry,
}
