"""The process of a deployed run, `python -m tasks.operations.nights.engine`, as a worker starts it.

Prefect's engine does the run. Around it: the decision whether a night is run at all, a sign of
life from the beginning on, and an end if the worker is killed.
"""

import os
import runpy
import sys
from datetime import UTC, datetime
from uuid import UUID

# A server whose database is just starting again answers 500: trying again helps. Prefect reads its
# settings when it is imported.
os.environ.setdefault("PREFECT_CLIENT_RETRY_EXTRA_CODES", "500")

from prefect.client.orchestration import get_client

from services.reporting.traces import TracesError, begin_traces
from tasks.operations.nights.gate import Gate
from tasks.orchestration.alive.heartbeat import beating, end_with_parent, first_beat
from tasks.orchestration.command_line import fail
from tasks.settings import Settings


def main() -> None:
    """Do the run that `PREFECT__FLOW_RUN_ID` names; Prefect's engine ends the process."""
    end_with_parent()
    run_id = UUID(os.environ["PREFECT__FLOW_RUN_ID"])
    first_beat(run_id)
    settings = Settings()
    try:
        begin_traces("triptych-flows", settings.traces_url)  # Prefect makes them of its runs
    except TracesError as error:
        fail(f"{error}; the run goes on without traces")
    with get_client(sync_client=True) as api:
        gate = Gate(api, settings)
        run = api.read_flow_run(run_id)
        if run.state is not None and run.state.is_final():
            return  # given up while this process was starting
        if not gate.is_open(run, datetime.now(UTC)):
            return
        try:
            with beating(run_id):
                sys.modules.pop("prefect.engine", None)  # as its own command, it is run anew
                runpy.run_module("prefect.engine", run_name="__main__", alter_sys=True)
        finally:
            gate.finish(run_id)


if __name__ == "__main__":
    main()
