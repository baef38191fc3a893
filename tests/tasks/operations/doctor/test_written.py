"""Lines of people that make no sense, each with what it means."""

from tasks.operations.doctor.check import State
from tasks.operations.doctor.written import check_written
from tasks.settings import Settings
from tests.tasks.operations.doctor.faults import states, the_fault


def test_nothing_is_said_of_what_nobody_has_written(tmp_path):
    assert list(check_written(Settings(home=tmp_path))) == []


def test_wrong_blackout_day_is_named_with_its_line(tmp_path):
    file = tmp_path / "blackout-days.txt"
    file.write_text("2026-12-24\n24.12.2027\n")
    fault = the_fault(check_written(Settings(home=tmp_path)))
    assert fault.told.startswith(f"{file}, line 2: '24.12.2027' is no date")
    file.write_text("2026-12-24\n")
    assert states(check_written(Settings(home=tmp_path))) == {State.OK}


def test_wrong_legal_hold_is_named_as_it_stops_the_prune(tmp_path):
    (tmp_path / "legal-hold.txt").write_text("nights 2026-11-22\n")
    fault = the_fault(check_written(Settings(home=tmp_path)))
    assert "'nights' is no kind" in fault.told and "deletes nothing" in fault.meaning


def test_address_that_cannot_be_used_is_named_without_its_secret(tmp_path, monkeypatch):
    monkeypatch.setenv("TRIPTYCH_NOTIFY_URLS", "mailtso://me:geheim@example.org")
    fault = the_fault(check_written(Settings(home=tmp_path)))
    assert "triptych notify --test" in fault.cure and "geheim" not in f"{fault}"
