"""A service that starts on a restored home answers as the one that was copied."""

import asyncio
import subprocess

from tasks.operations.backup import back_up
from tests.services.fraud.running import GENUINE, InProcess, promoted


def answer(service: InProcess) -> dict[str, object]:
    async def once():
        return await service.client.post("/detect_fraud", json={"transaction_data": GENUINE})

    found = asyncio.run(once())
    assert found.status_code == 200, found.text
    return {name: value for name, value in found.json().items() if name != "request_id"}


def test_restored_service_answers_with_the_same_champion(tmp_path, model_folder):
    """Copied while the service runs, with what it answered."""
    tag = promoted(model_folder, tmp_path / "home")
    with InProcess(tmp_path / "home") as service:
        before = answer(service)
        back_up(tmp_path / "home", tmp_path / "copy.tar")

    new = tmp_path / "new"
    new.mkdir()
    subprocess.run(["tar", "-xpf", tmp_path / "copy.tar", "-C", new], check=True)
    (tmp_path / "home").rename(tmp_path / "gone")  # whatever led there would be missed
    with InProcess(new) as service:
        assert answer(service) == before
    assert before["model"] == tag
