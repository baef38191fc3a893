"""Spans of a flow run, as a receiver of OTLP gets them."""

import pytest

from tests.flows.command import command
from tests.spans import PACKAGE, receiving_spans

pytestmark = pytest.mark.slow


def test_flow_run_and_its_tasks_are_spans_of_one_trace(tmp_path):
    """Of a command in a process of its own, which sends what it has when it ends."""
    pytest.importorskip(PACKAGE)
    home = tmp_path / "var"
    home.mkdir()
    with receiving_spans() as receiver:
        process = command(
            "flows.collect_telemetry", home, environment={"TRIPTYCH_TRACES_URL": receiver.url}
        )
        _, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors

    kinds = {span.id: span.attributes["prefect.run.type"] for span in receiver.spans}
    tasks = [span for span in receiver.spans if kinds[span.id] == "task"]
    [flow] = [span for span in receiver.spans if kinds[span.id] == "flow"]
    assert flow.service == "triptych-flows" and not flow.parent
    assert tasks and {(task.trace, task.parent) for task in tasks} == {(flow.trace, flow.id)}
