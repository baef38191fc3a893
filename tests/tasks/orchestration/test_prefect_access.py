"""The password of a Prefect server of ours: made once, and kept private."""

import os
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from tasks.orchestration import prefect_access as access

VARIABLE = "PREFECT_SERVER_API_AUTH_STRING"


@pytest.fixture(autouse=True)
def _no_password_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def test_password_is_made_once_and_only_its_owner_reads_it(tmp_path):
    made = access.password(tmp_path)

    assert re.fullmatch(r"admin:[\w-]{32}", made)
    assert access.password_file(tmp_path).stat().st_mode & 0o777 == 0o600
    assert access.password(tmp_path) == made
    assert access.password(tmp_path / "another") != made
    assert list((tmp_path / "prefect").iterdir()) == [access.password_file(tmp_path)]


def test_password_is_the_same_for_all_who_start_at_once(tmp_path):
    with ThreadPoolExecutor(16) as threads:
        made = set(threads.map(access.password, [tmp_path] * 64))
    assert len(made) == 1


def test_password_is_private_whatever_the_umask_is(tmp_path):
    before = os.umask(0)
    try:
        access.password(tmp_path)
    finally:
        os.umask(before)
    assert access.password_file(tmp_path).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o666])
def test_password_that_others_can_read_is_made_private_and_that_is_said(tmp_path, caplog, mode):
    made = access.password(tmp_path)
    file = access.password_file(tmp_path)
    file.chmod(mode)

    assert access.password(tmp_path) == made

    assert file.stat().st_mode & 0o777 == 0o600
    assert str(file) in caplog.text and made not in caplog.text


def test_password_that_stays_readable_for_others_is_refused(tmp_path, monkeypatch):
    """Such as on a disk without permissions, or where the file is somebody else's."""
    access.password(tmp_path)
    access.password_file(tmp_path).chmod(0o644)
    monkeypatch.setattr(os, "fchmod", lambda handle, mode: None)
    with pytest.raises(access.AccessError, match=VARIABLE):
        access.password(tmp_path)

    def refuse(handle: int, mode: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "fchmod", refuse)
    with pytest.raises(access.AccessError, match="another user"):
        access.password(tmp_path)


@pytest.mark.parametrize("content", ["", "\n", "admin", "admin:", ":x", "a b:c", "a:b\nc:d", "\0"])
def test_file_without_a_password_is_refused_in_one_line(tmp_path, content):
    """An empty password would open the server to everybody."""
    file = access.password_file(tmp_path)
    file.parent.mkdir()
    file.write_text(content)
    file.chmod(0o600)
    with pytest.raises(access.AccessError) as refusal:
        access.password(tmp_path)
    assert str(file) in str(refusal.value) and "\n" not in str(refusal.value)


def test_link_and_folder_and_pipe_in_place_of_the_password_are_refused(tmp_path):
    """None of them is waited for, followed or written through."""
    file = access.password_file(tmp_path)
    file.parent.mkdir()
    (tmp_path / "target").write_text("admin:chosen-by-another")
    file.symlink_to(tmp_path / "target")
    with pytest.raises(access.AccessError, match="link"):
        access.password(tmp_path)
    file.unlink()
    file.symlink_to(tmp_path / "nowhere")
    with pytest.raises(access.AccessError, match="link"):
        access.password(tmp_path)
    assert not (tmp_path / "nowhere").exists()
    file.unlink()
    os.mkfifo(file, 0o600)
    with pytest.raises(access.AccessError, match="no file"):
        access.password(tmp_path)


def test_password_of_the_environment_goes_before_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "operator:of-the-house")
    assert access.server_environment(tmp_path, 4200)[VARIABLE] == "operator:of-the-house"
    assert not access.password_file(tmp_path).exists()
    monkeypatch.setenv(VARIABLE, "no-colon")
    with pytest.raises(access.AccessError, match=VARIABLE) as refusal:
        access.password(tmp_path)
    assert "no-colon" not in str(refusal.value)


def test_server_answers_pages_of_its_own_interface_alone(tmp_path):
    environment = access.server_environment(tmp_path, 4711)
    assert environment["PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS"] == (
        "http://127.0.0.1:4711,http://localhost:4711"
    )
    assert environment["PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED"] == "true"


def test_password_is_shown_to_a_person_and_not_to_a_log(tmp_path):
    made = access.password(tmp_path)
    assert access.describe_login(tmp_path, at_terminal=True).endswith(f": {made}")
    in_log = access.describe_login(tmp_path, at_terminal=False)
    assert str(access.password_file(tmp_path)) in in_log and made not in in_log
