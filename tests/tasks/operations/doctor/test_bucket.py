"""What the doctor says of the bucket of published nights."""

from pathlib import Path

import pytest

from services.storage import bucket
from tasks.operations.doctor.check import State
from tasks.operations.doctor.nights import check_bucket
from tasks.settings import Settings
from tests.tasks.operations.doctor.faults import the_fault


def test_bucket_that_answers_is_well(own_bucket, tmp_path):
    """Nights that it has not followed yet are told; the next run sees to them."""
    url = f"s3://{own_bucket.name}/nights"
    settings = Settings(home=tmp_path, scores_url=url)
    (well,) = check_bucket(settings)
    assert (well.state, well.told) == (State.OK, f"{url} answers, and has followed them")

    marks = tmp_path / "sentiment" / "undelivered"
    marks.mkdir(parents=True)
    (marks / "run_date=2026-11-22").touch()
    (late,) = check_bucket(settings)
    told = f"{url} has not followed 1 night yet: 2026-11-22; the next run sees to it"
    assert (late.state, late.told) == (State.OK, told)


def test_bucket_that_does_not_answer_is_a_fault(own_bucket, tmp_path, monkeypatch):
    """With what it means."""
    monkeypatch.setattr(bucket, "MOST_TRIES", 1)
    settings = Settings(home=tmp_path, scores_url="s3://no-such-bucket")

    fault = the_fault(check_bucket(settings))

    assert "there is no bucket s3://no-such-bucket" in fault.told
    assert "who reads s3://no-such-bucket sees nights as they were" in fault.meaning


def test_without_a_bucket_nothing_is_said(tmp_path: Path):
    """It is asked for by a setting."""
    assert list(check_bucket(Settings(home=tmp_path))) == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "bucket",
        "/folder",
        "https://bucket/x",
        "s3://",
        "s3:///x",
        "s3://key:word@b",
        "s3://b?x=1",
    ],
)
def test_address_of_another_kind_is_refused_with_the_right_one(url, tmp_path):
    """Also one that might hold a password, which reports would show."""
    with pytest.raises(ValueError, match="use s3://bucket/prefix; keys belong into"):
        Settings(home=tmp_path, scores_url=url)
    assert Settings(scores_url="s3://bucket/some/place/").scores_url == "s3://bucket/some/place"
