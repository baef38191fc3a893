"""The digest as a flow: an artifact in the UI, and a message where addresses are set."""

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter

from tests.tasks.operations.notices.receiver import receiving


def test_command_shows_the_digest_and_sends_it_to_those_who_are_told(
    run_here, tmp_path, monkeypatch
):
    """Of an empty home; at an address that is away it waits for the watcher."""
    with receiving() as receiver:
        monkeypatch.setenv("TRIPTYCH_NOTIFY_URLS", receiver.url)
        status, output, _ = run_here("digest", tmp_path, "--run-date", "2026-03-02")
        assert status == 0 and "no night yet" in output and "no champion yet" in output
        (message,) = receiver.messages
        assert message["title"].startswith("Triptych, 2026-03-02: ")
        assert message["message"].strip() in output
        assert run_here("digest", tmp_path, "--no-send")[0] == 0
        assert len(receiver.messages) == 1

    with get_client(sync_client=True) as api:
        found = api.read_artifacts(
            artifact_filter=ArtifactFilter.model_validate({"key": {"any_": ["digest"]}})
        )
    assert any("# Triptych, 2026-03-02" in str(each.data) for each in found)
    assert (tmp_path / "notices" / "state.json").stat().st_mode & 0o077 == 0
