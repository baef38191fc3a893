"""Measurements in the home folder: written whole, found again, and refused where they are none."""

from datetime import UTC, datetime

import pytest

from tasks.comparison.errors import MeasurementsError
from tasks.comparison.records import last_figures, read_figures, run_folder, write_figures
from tests.tasks.comparison.measured import comparison, model


def test_measurements_come_back_as_they_were(tmp_path):
    file = write_figures(tmp_path / "new", comparison())
    assert read_figures(file).comparison == comparison()
    assert "2026-03-01 12:00 UTC" in read_figures(file).origin


def test_newest_measurements_of_a_home_count(tmp_path):
    assert last_figures(tmp_path) is None
    for hour in (9, 11, 10):
        folder = run_folder(tmp_path, datetime(2026, 3, 1, hour, tzinfo=UTC))
        write_figures(folder, comparison(model(f"of {hour}")))
    (tmp_path / "comparison" / "29990101-000000").mkdir()  # a run that did not get so far
    found = last_figures(tmp_path)
    assert found and found.comparison.models[0].name == "of 11"


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"started_at": "yesterday"}'])
def test_file_that_holds_no_measurements_is_refused(tmp_path, text):
    file = tmp_path / "figures.json"
    file.write_text(text)
    with pytest.raises(MeasurementsError, match=r"give a comparison\.json") as error:
        read_figures(file)
    assert "\n" not in str(error.value)
    with pytest.raises(MeasurementsError, match="No such file"):
        read_figures(tmp_path / "gone")
