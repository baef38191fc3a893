"""Real Prometheus and Alertmanager beside a stack, on any ports that are free."""

import math
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from tasks.operations.stack.ports import DEFAULTS
from tests.deployments.observed import OBSERVE, program

START_S = 180
# A part has as long for its answer as the interval is: on a busy machine not a second.
_INTERVALS = {
    "scrape_interval: 15s": "scrape_interval: 10s\n  scrape_timeout: 10s",
    "evaluation_interval: 15s": "evaluation_interval: 1s",
}
PROGRAMS = ("prometheus", "prometheus-alertmanager")


@dataclass(frozen=True)
class Observer:
    """The two, by their addresses."""

    prometheus: str
    alertmanager: str
    client: httpx.Client

    def ask(self, query: str) -> list[float]:
        """The values that an expression has now."""
        answer = self.client.get(f"{self.prometheus}/api/v1/query", params={"query": query})
        found: Sequence[Any] = answer.raise_for_status().json()["data"]["result"]
        return [float(each["value"][1]) for each in found]

    def says(self, query: str, value: float) -> bool:
        """Whether an expression has this one value now."""
        return self.ask(query) == [value]

    def has_data(self, query: str) -> bool:
        """Whether it has one that is a number."""
        return any(map(math.isfinite, self.ask(query)))

    def alerts(self) -> dict[str, dict[str, str]]:
        """What has reached Alertmanager: the words of each alert by its name."""
        found = self.client.get(f"{self.alertmanager}/api/v2/alerts").raise_for_status()
        return {each["labels"]["alertname"]: each["annotations"] for each in found.json()}


@contextmanager
def observe(folder: Path, home: Path, ports: Mapping[str, int]) -> Iterator[Observer]:
    """Let them scrape a stack of `triptych up` as deployments/observe says, but more often.

    Rules are worked out each second, and alerts do not wait: `for:` is left out, which
    tests/deployments/rules_test.yml tries.
    """
    with ExitStack() as stack:
        alertmanager = stack.enter_context(
            _serving(
                folder / "alertmanager",
                *("prometheus-alertmanager", f"--config.file={OBSERVE / 'alertmanager.yml'}"),
                "--cluster.listen-address=",
            )
        )
        config = _write_config(folder, home, {**ports, "alertmanager": alertmanager})
        prometheus = stack.enter_context(
            _serving(folder / "prometheus", "prometheus", f"--config.file={config}")
        )
        yield Observer(
            f"http://127.0.0.1:{prometheus}",
            f"http://127.0.0.1:{alertmanager}",
            stack.enter_context(httpx.Client(timeout=30)),
        )


def _write_config(folder: Path, home: Path, ports: Mapping[str, int]) -> Path:
    usual = DEFAULTS | {"alertmanager": 9093}
    text = (OBSERVE / "prometheus-up.yml").read_text()
    for name, port in usual.items():
        text = text.replace(f'["127.0.0.1:{port}"]', f'["127.0.0.1:{ports[name]}"]')
    text = text.replace("../../var/", f"{home}/")
    for usual_setting, setting in _INTERVALS.items():
        assert usual_setting in text
        text = text.replace(usual_setting, setting)
    rules = re.sub(r"^ +for: .*\n", "", (OBSERVE / "rules.yml").read_text(), flags=re.M)
    (folder / "rules.yml").write_text(rules)
    config = folder / "prometheus.yml"
    config.write_text(text)
    return config


@contextmanager
def _serving(data: Path, name: str, *arguments: str) -> Iterator[int]:
    """The port on which a program listens, for as long as the block lasts."""
    found = program(name)
    assert found is not None
    storage = "--storage.tsdb.path" if name == "prometheus" else "--storage.path"
    log = data.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [found, *arguments, f"{storage}={data}", "--web.listen-address=127.0.0.1:0"],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=data.parent,
        )
    try:
        yield _await(lambda: _ready_port(process, log), log)
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ready_port(process: subprocess.Popen[bytes], log: Path) -> int | None:
    assert process.poll() is None, log.read_text()
    for connection in psutil.Process(process.pid).net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN:
            port = int(connection.laddr.port)
            try:
                if httpx.get(f"http://127.0.0.1:{port}/-/ready", timeout=5).is_success:
                    return port
            except httpx.HTTPError:
                return None
    return None


def _await(ask: Callable[[], int | None], log: Path) -> int:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if (found := ask()) is not None:
            return found
        time.sleep(0.2)
    raise AssertionError(log.read_text())
