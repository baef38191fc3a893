"""Secrets that others can read, and a home that others can write into."""

import os

import pytest

from services.storage.process import this_machine
from tasks.operations.doctor.check import State
from tasks.operations.doctor.permissions import check_permissions
from tasks.orchestration.prefect_access import password, password_file, scrape_password_file
from tasks.orchestration.running_server import note_server
from tests.tasks.operations.doctor.faults import states, the_fault


def test_keys_and_passwords_of_their_owner_alone_are_well(home, settings):
    password(home)
    assert states(check_permissions(settings)) == {State.OK}


def test_key_that_everybody_can_read_is_named_with_its_cure(home, settings):
    """Its mode is mended, and its role gets new keys."""
    key = home / "keys" / "targets-1.pem"
    key.chmod(0o644)

    fault = the_fault(check_permissions(settings))

    assert fault.told == f"{key} can be read by others (mode 0644)"
    assert f"chmod 600 {key}" in fault.cure
    assert "triptych manage-releases --rotate targets" in fault.cure


def test_password_that_everybody_can_read_is_named_with_its_cure(home, settings):
    password(home)
    file = password_file(home)
    file.chmod(0o640)

    fault = the_fault(check_permissions(settings))

    assert f"chmod 600 {file}" in fault.cure and "command the Prefect server" in fault.meaning
    assert file.read_text().strip() not in f"{fault}"


def test_password_for_prometheus_is_a_secret_like_the_other(home, settings):
    password(home)
    file = scrape_password_file(home)
    file.write_text("a-secret")
    file.chmod(0o644)

    fault = the_fault(check_permissions(settings))

    assert f"{file} can be read by others (mode 0644)" == fault.told
    assert f"chmod 600 {file}" in fault.cure and "a-secret" not in f"{fault}"


@pytest.mark.skipif(not this_machine(), reason="only Linux tells processes apart so")
def test_password_for_prometheus_that_is_not_there_is_told_while_a_server_runs(home, settings):
    """Its metrics cannot be asked for; without a server nobody wants them."""
    password(home)
    file = scrape_password_file(home)
    assert states(check_permissions(settings)) == {State.OK}
    note_server(home, "http://127.0.0.1:1/api", os.getpid())
    assert the_fault(check_permissions(settings)).told == f"{file} is missing"
    file.touch(mode=0o600)
    assert the_fault(check_permissions(settings)).told == f"{file} is empty"
    file.write_text("a-secret")
    assert states(check_permissions(settings)) == {State.OK}


def test_folders_that_are_open_are_named(home, settings):
    """The home to write into, the keys to look into."""
    home.chmod(0o777)
    assert the_fault(check_permissions(settings)).cure == f"chmod o-w {home}"
    home.chmod(0o755)
    (home / "keys").chmod(0o755)
    assert the_fault(check_permissions(settings)).cure == f"chmod 700 {home / 'keys'}"


@pytest.mark.parametrize(("mode", "says"), [(0o644, "read by everybody"), (None, "cannot be read")])
def test_file_of_a_secret_is_looked_at(settings, tmp_path, monkeypatch, mode, says):
    """That a variable names; its content is not told."""
    file = tmp_path / "api_keys"
    if mode is not None:
        file.write_text("a-secret-of-16-characters")
        file.chmod(mode)
    monkeypatch.setenv("TRIPTYCH_API_KEYS_FILE", str(file))

    fault = the_fault(check_permissions(settings))

    assert says in fault.told and str(file) in fault.told and "a-secret" not in f"{fault}"
