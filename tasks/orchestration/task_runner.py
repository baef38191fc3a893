"""Where tasks run: threads of this process, Dask's workers of this machine, or a cluster."""

from typing import Any

from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from tasks.sentiment.scoring.machine import usable_cores
from tasks.settings import Settings

THREADS = 2  # one partition is scored while another is read, written or loaded


def open_task_runner() -> TaskRunner[Any]:
    """The one that `TRIPTYCH_TASK_RUNNER` names: threads, dask, or a scheduler's address."""
    wanted = Settings().task_runner
    if wanted == "threads":
        return ThreadPoolTaskRunner(max_workers=THREADS)
    from prefect_dask.task_runners import DaskTaskRunner

    if wanted != "dask":
        return DaskTaskRunner(address=wanted)
    return DaskTaskRunner(
        cluster_kwargs={
            "n_workers": _workers(),
            "threads_per_worker": 1,
            "dashboard_address": "127.0.0.1:0",  # None opens 8787, a second cluster warns
        }
    )


def threads_per_scorer() -> int | None:
    """None: all cores. Workers of a local Dask cluster share them."""
    if Settings().task_runner == "dask":
        return max(1, usable_cores() // _workers())
    return None


def _workers() -> int:
    """Worker processes of a local Dask cluster."""
    return max(2, usable_cores() // 2)
