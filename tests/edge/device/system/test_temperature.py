"""Promises of reading the processor's temperature."""

import pytest
from edge_detector.system.temperature import read_temperature


@pytest.fixture
def system(tmp_path):
    """Builds sensors as Linux shows them: name of the folder, of the sensor, its content."""

    def build(*sensors: tuple[str, str, str]):
        for place, name, content in sensors:
            file = tmp_path / place
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
            beside = "type" if place.startswith("thermal") else "name"
            file.with_name(beside).write_text(f"{name}\n")
        return tmp_path

    return build


def test_processor_comes_before_other_sensors(system):
    """A battery or a disk may be hotter: it is not asked about."""
    folder = system(
        ("thermal/thermal_zone0/temp", "battery", "71000\n"),
        ("thermal/thermal_zone1/temp", "cpu-thermal", "48312\n"),
        ("hwmon/hwmon0/temp1_input", "nvme", "55000\n"),
    )

    assert read_temperature(folder) == 48.3


def test_hottest_sensor_where_none_is_of_the_processor(system):
    """Better a neighbour than nothing."""
    folder = system(
        ("thermal/thermal_zone0/temp", "acpitz", "27800\n"),
        ("hwmon/hwmon0/temp1_input", "nvme", "35850\n"),
    )

    assert read_temperature(folder) == 35.9


def test_broken_sensors_are_left_out(system):
    """No number, no answer, or a temperature at which nothing runs."""
    folder = system(
        ("thermal/thermal_zone0/temp", "cpu0", "garbage"),
        ("thermal/thermal_zone1/temp", "cpu1", "-273000"),
        ("thermal/thermal_zone2/temp", "cpu2", "900000"),
        ("thermal/thermal_zone3/temp", "cpu3", "51000"),
    )

    assert read_temperature(folder) == 51.0


def test_machine_without_sensors_has_no_temperature(tmp_path):
    """None, which is not zero."""
    assert read_temperature(tmp_path) is None
    assert read_temperature(tmp_path / "absent") is None
