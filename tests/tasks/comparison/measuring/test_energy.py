"""Energy by the processor's counters, and nothing invented where there are none."""

import pytest

from tasks.comparison.measuring.energy import ABSENT, LOCKED, EnergyCounters, read_energy


def counter(powercap, name, value, end=10_000_000):
    folder = powercap / name
    folder.mkdir()
    (folder / "energy_uj").write_text(f"{value}\n")
    (folder / "max_energy_range_uj").write_text(f"{end}\n")


def read(powercap):
    found = read_energy(powercap)
    assert isinstance(found, EnergyCounters)
    return found


def test_processors_count_and_their_parts_do_not(tmp_path):
    """A part, such as the cores, is in its processor's counter already."""
    counter(tmp_path, "intel-rapl:0", 1_000_000)
    counter(tmp_path, "intel-rapl:1", 2_000_000)
    counter(tmp_path, "intel-rapl:0:0", 5_000)
    before = read(tmp_path)
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("3000000")
    (tmp_path / "intel-rapl:1" / "energy_uj").write_text("2500000")
    (tmp_path / "intel-rapl:0:0" / "energy_uj").write_text("9000000")
    assert before.joules_until(read(tmp_path)) == pytest.approx(2.5)


def test_counter_that_began_again_is_counted_on(tmp_path):
    counter(tmp_path, "intel-rapl:0", 9_500_000)
    before = read(tmp_path)
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("500000")
    assert before.joules_until(read(tmp_path)) == pytest.approx(1.0)


def test_machine_without_counters_says_so(tmp_path):
    assert read_energy(tmp_path) == ABSENT
    assert read_energy(tmp_path / "none") == ABSENT


def test_counter_that_cannot_be_read_says_so(tmp_path):
    counter(tmp_path, "intel-rapl:0", 1)
    (tmp_path / "intel-rapl:0" / "max_energy_range_uj").unlink()
    assert read_energy(tmp_path) == LOCKED
