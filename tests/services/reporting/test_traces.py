"""Traces are off, or they are sent; what keeps them from it is said."""

import subprocess
import sys

import pytest

from services.reporting.traces import TracesError, tracer_provider
from tests.spans import PACKAGE


def test_without_an_address_nothing_of_the_sdk_is_imported(tmp_path):
    """By no module of the flows or the service; their answers take no step more."""
    modules = "flows.score_sentiment, services.fraud.worker, services.reporting.traces"
    code = (
        f"import sys, {modules}; services.reporting.traces.begin_traces('x', None)\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry.sdk')])\n"
        "detector, web = services.fraud.worker._answering(None)\n"
        "print(detector.__name__, web.__name__)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        env={"TRIPTYCH_HOME": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == "[]\nDetector Web\n"


def test_missing_packages_are_named_with_what_installs_them(monkeypatch):
    """Instead of traces that are believed to be sent."""
    monkeypatch.setitem(sys.modules, PACKAGE, None)
    with pytest.raises(TracesError, match=r"pip install 'triptych\[traces\]'"):
        tracer_provider("service", "http://127.0.0.1:4318")


def test_what_is_no_address_is_refused():
    """It is not shown: it may hold a password."""
    with pytest.raises(TracesError, match=r"^TRIPTYCH_TRACES_URL is no address: give one such as"):
        tracer_provider("service", "collector:4318")
