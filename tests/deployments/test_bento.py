"""The Bento: built by the script, moved, and served with nothing of the checkout."""

import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import httpx
import pytest

from tests.architecture import imports, reachable
from tests.services.fraud.conftest import model_folder, training_data, transactions
from tests.services.fraud.running import GENUINE, await_ready, free_port, promoted

pytestmark = pytest.mark.slow

__all__ = ["model_folder", "training_data", "transactions"]  # fixtures

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def test_bento_carries_the_champion_and_serves_it_alone(tmp_path, model_folder):
    """Built, exported, and served elsewhere, it answers with the champion that was packed."""
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    champion = promoted(model_folder, home)
    promoted_later_but_not_champion(model_folder, home)
    environment = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(tmp_path / "empty")}
    built = subprocess.run(
        [ROOT / "deployments" / "bento", "--output", "tag"],
        env={**environment, "TRIPTYCH_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"fraud_detector:\w+", built.stdout)
    assert found, built.stdout
    archive = tmp_path / "fraud.bento"
    subprocess.run(
        ["bentoml", "export", found[0], archive],
        env={**environment, "BENTOML_HOME": str(home / "bentoml")},
        capture_output=True,
        check=True,
    )
    with tarfile.open(archive) as packed:
        packed.extractall(elsewhere, filter="data")

    port = free_port()
    with (tmp_path / "serve.log").open("wb") as log:
        server = subprocess.Popen(
            ["bentoml", "serve", elsewhere, "--port", str(port)],
            cwd=elsewhere,
            env={**environment, "TRIPTYCH_HOME": str(tmp_path / "there")},
            stdout=log,
            stderr=log,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        await_ready(url, server)
        answer = httpx.post(f"{url}/detect_fraud", json={"transaction_data": GENUINE}).json()
    finally:
        server.terminate()
        server.wait(timeout=30)

    assert answer["model"] == champion
    pins = (elsewhere / "env" / "python" / "requirements.txt").read_text().splitlines()
    assert all("==" in pin for pin in pins if pin and not pin.startswith("#"))


def promoted_later_but_not_champion(model_folder, home):
    """A newer model in the store, which the gate refused."""
    from services.fraud.scoring import store

    store.save(model_folder, home)


def test_without_a_champion_nothing_is_built(tmp_path):
    """The script says what to do first."""
    refused = subprocess.run(
        [ROOT / "deployments" / "bento"],
        env={"PATH": os.environ["PATH"], "TRIPTYCH_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert refused.returncode == 1
    assert "train_fraud" in refused.stderr


def test_bento_installs_the_tested_versions():
    """Each of its pins is that of constraints.txt."""
    pinned = (ROOT / "services" / "fraud" / "requirements.txt").read_text().splitlines()
    tested = (ROOT / "constraints.txt").read_text().splitlines()
    pins = {line.lower() for line in pinned if not line.startswith("#")}
    assert pins and pins <= {line.lower() for line in tested}


def test_bento_packs_what_the_service_needs_of_the_shared_packages():
    """Its worker and the process of its log reach these modules, and no others are packed."""
    needed: set[str] = set()
    for entry in ("services.fraud.service", "services.fraud.log.loader"):
        needed |= {name for name in reachable(entry, imports()) if "services.fraud" not in name}
    files = {f"{name.replace('.', '/')}.py" for name in needed}
    folders = {f"{Path(file).parent}/__init__.py" for file in files}

    listed = (ROOT / "services" / "fraud" / "bentofile.yaml").read_text()
    packed = set(re.findall(r"^  - (services/(?!fraud/)\S+)$", listed, re.MULTILINE))
    assert packed == files | folders | {"services/__init__.py"}


def test_generated_dockerfile_is_not_in_the_tree():
    """BentoML writes one into each Bento; the project keeps none of these."""
    assert not list((ROOT / "services").rglob("Dockerfile"))
