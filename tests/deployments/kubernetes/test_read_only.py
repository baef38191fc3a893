"""The services run as their pods say: as another user, and writing nowhere but on their volumes."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from services.fraud.scoring.models import Models
from tests.deployments.kubernetes.described import SECRET, image_settings, settings_of
from tests.deployments.kubernetes.kustomize import BASE, ROOT, containers_of, find, pod_of, render
from tests.services.fraud.conftest import model_folder, training_data, transactions
from tests.services.fraud.running import GENUINE, free_port, promoted
from tests.services.fraud.state.in_postgres.proxy import between

__all__ = ["model_folder", "training_data", "transactions"]  # fixtures

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.geteuid() != 0 or shutil.which("unshare") is None, reason="takes root and unshare"
    ),
]
USER = 10001
START_S = 300
KEY = "a-key-of-this-test-alone"
SECRETS = {
    "TRIPTYCH_API_KEYS": KEY,
    "TRIPTYCH_FLEET_KEYS": KEY,
    "PREFECT_SERVER_API_AUTH_STRING": f"admin:{KEY}",
}


class Pod:
    """A container of a Deployment, with the content of its volumes in a folder of the test."""

    def __init__(self, part: str, folder: Path) -> None:
        self._objects = render(BASE)
        pod = pod_of(find(self._objects, "Deployment", part))
        assert pod is not None
        (self._container,) = [each for each in containers_of(pod) if each["name"] == part]
        self._folder = folder
        self.volumes = {
            mount["mountPath"]: self._volume(mount["mountPath"])
            for mount in self._container["volumeMounts"]
            if not mount.get("readOnly")
        }

    def _volume(self, path: str) -> Path:
        where = self._folder / path.strip("/").replace("/", "-")
        where.mkdir(parents=True)
        return where

    @property
    def args(self) -> list[str]:
        """The container's, on this machine's loopback address."""
        return [str(word).replace("0.0.0.0", "127.0.0.1") for word in self._container["args"]]

    @property
    def settings(self) -> dict[str, str]:
        """Its variables, with secrets of this test, and without databases, which are not here."""
        image = image_settings((ROOT / "deployments" / "Dockerfile").read_text())
        given = image | settings_of(self._container, self._objects)
        known = {
            name: SECRETS[name] if value == SECRET else value
            for name, value in given.items()
            if value != SECRET or name in SECRETS
        }
        return {name: value for name, value in known.items() if "postgresql" not in value}

    def command(self, *arguments: str, **changed: str) -> list[str]:
        """What runs a command as in this container."""
        for where in self.volumes.values():
            for each in (where, *where.rglob("*")):
                os.chown(each, USER, USER)
        volumes = " ".join(f"{path}={where}" for path, where in self.volumes.items())
        path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
        settings = {"PATH": path, **self.settings, **changed}
        return [
            *("unshare", "--mount", str(Path(__file__).with_name("as_in_a_pod.sh"))),
            *(str(ROOT), sys.base_prefix, volumes, "env", "-i"),
            *(f"{name}={value}" for name, value in settings.items()),
            *("deployments/with-secrets", *arguments),
        ]

    def ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """What a command says."""
        return subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=60)

    @contextmanager
    def serving(self, port: int, ready: str, *arguments: str, **changed: str) -> Iterator[str]:
        """Its address, once it is ready; it ends as a pod does, with nothing left to do."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "log").open("wb") as log:
            server = subprocess.Popen(
                self.command(*arguments, **changed), stdout=log, stderr=subprocess.STDOUT
            )
        url = f"http://127.0.0.1:{port}"
        try:
            _await(f"{url}{ready}", server, self._folder / "log")
            yield url
            server.send_signal(signal.SIGTERM)
            assert server.wait(timeout=40) in (0, -signal.SIGTERM)
        finally:
            if server.poll() is None:
                server.kill()
                server.wait()


def _await(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for a good answer: on a busy machine Prefect's first start takes more than a minute."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()
        try:
            if httpx.get(url, timeout=5).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"{url} gives no answer in {START_S} s: {log.read_text()[-1_000:]}")


def pod_here(part: str, folder: Path) -> Pod:
    """A pod; the test is skipped where another user cannot run this Python."""
    said = Pod(part, folder / "tried").ask("python", "-c", "import prefect")
    if said.returncode:
        pytest.skip(f"user {USER} cannot run this Python: {said.stderr.strip()[-200:]}")
    return Pod(part, folder / "pod")


def test_pod_writes_on_its_volumes_alone(tmp_path):
    """Here as there: as its user, and not beside the code, in the system or in the home."""
    pod = pod_here("releases", tmp_path)
    assert pod.ask("id", "-u").stdout == f"{USER}\n"
    assert pod.ask("touch", "/tmp/a", "/triptych/var/telemetry/a").returncode == 0
    for path in ("/triptych/a", "/triptych/var/a", "/triptych/flows/a", "/etc/a", "/usr/a"):
        refused = pod.ask("touch", path)
        assert "Read-only file system" in refused.stderr, path


def test_fraud_service_answers_from_a_read_only_file_system(tmp_path, model_folder):
    """A transaction, and Prometheus; what it answers is logged."""
    pod = pod_here("fraud", tmp_path)
    promoted(model_folder, pod.volumes["/triptych/var"])
    port = free_port()
    args = [str(port) if word == "3000" else word for word in pod.args]
    with pod.serving(port, "/readyz", *args) as url:
        answer = httpx.post(
            f"{url}/detect_fraud",
            json={"transaction_data": GENUINE},
            headers={"X-API-Key": KEY},
            timeout=30,
        )
        assert answer.status_code == 200, answer.text
        assert "fraud_request_seconds_sum" in httpx.get(f"{url}/metrics", timeout=30).text
    assert (pod.volumes["/triptych/var"] / "triptych.db").stat().st_size > 0


def test_replicas_without_a_common_volume_answer_as_one(tmp_path, model_folder, fresh_postgres_url):
    """The model that was trained elsewhere; and a transaction that one has answered, the same."""
    models = Models(tmp_path / "trainer", SecretStr(fresh_postgres_url))
    tag = models.save(model_folder)
    models.registry().promote(tag, "for a test")
    transaction = {
        "transaction_id": "T-1",
        "customer_id": "1",
        "terminal_id": "1",
        "amount": 12.5,
        "time": datetime.now(UTC).isoformat(),
    }
    with between(fresh_postgres_url) as near, ExitStack() as replicas:
        databases = {"TRIPTYCH_DATABASE_URL": near.url, "TRIPTYCH_FRAUD_STATE_URL": near.url}
        answers = []
        for name in ("one", "another"):
            pod, port = pod_here("fraud", tmp_path / name), free_port()
            args = [str(port) if word == "3000" else word for word in pod.args]
            door = replicas.enter_context(pod.serving(port, "/readyz", *args, **databases))
            sent = httpx.post(
                f"{door}/score_transaction",
                json=transaction,
                headers={"X-API-Key": KEY},
                timeout=30,
            )
            assert sent.status_code == 200, sent.text
            answers.append(sent.json())
    first, again = answers
    assert first["model"] == tag
    assert first["probability"] == again["probability"] and first["reasons"] == again["reasons"]


def test_server_of_releases_answers_from_a_read_only_file_system(tmp_path):
    """It takes telemetry; and it is told of no release that is not there."""
    pod = pod_here("releases", tmp_path)
    port = free_port()
    args = [str(port) if word == "8080" else word for word in pod.args]
    with pod.serving(port, "/health", *args) as url:
        sent = httpx.post(
            f"{url}/telemetry/a-device", content=b"{}\n", headers={"X-API-Key": KEY}, timeout=30
        )
        assert sent.json() == {"received": 1}
    assert list((pod.volumes["/triptych/var/telemetry"] / "a-device").iterdir())


def test_prefect_server_answers_from_a_read_only_file_system(tmp_path):
    """Its API, with the password, and its pages."""
    pod = pod_here("prefect", tmp_path)
    port = free_port()
    with pod.serving(
        port,
        "/api/health",
        *pod.args,
        TRIPTYCH_PORT=str(port),
        PREFECT_SERVER_API_HOST="127.0.0.1",
    ) as url:
        counted = httpx.post(f"{url}/api/flows/count", auth=("admin", KEY), timeout=30)
        assert counted.status_code in (200, 403)  # 403: it asks for a token, too
        page = httpx.get(url, headers={"Accept": "text/html"}, follow_redirects=True, timeout=30)
        assert page.status_code == 200 and "<html" in page.text
    assert list((pod.volumes["/tmp"] / "prefect-ui").iterdir())
