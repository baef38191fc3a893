"""What is published here lies in a bucket, too."""

import os
import signal
import socket
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from pyarrow.fs import S3FileSystem

from services.storage import bucket
from services.storage.bucket import Bucket
from tasks.orchestration.policies import is_transient
from tasks.sentiment.errors import DeliveryAway, DeliveryError
from tasks.sentiment.run.publication import MANIFEST, UNDELIVERED, undelivered
from tasks.sentiment.run.taking_back import Nights
from tests.bucket import OwnBucket
from tests.fakes import FakeScorer
from tests.tasks.sentiment.small_run import RUN_DATE, Job, published_rows, runs, write_source

NEXT = date(2026, 11, 23)
AWAY = "does not answer .*; 2026-11-22 is as it should be here, and the next run brings it there"


@pytest.fixture(autouse=True)
def _one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "MOST_TRIES", 1)


@pytest.fixture
def job(own_bucket: OwnBucket, tmp_path: Path) -> Job:
    """40 reviews, in two parts."""
    return Job(
        home=tmp_path / "var",
        source=write_source(tmp_path / "shop.csv", 40),
        url=f"sqlite:///{tmp_path}/triptych.db",
        rows_per_part=20,
        scores_url=f"s3://{own_bucket.name}/some/place",
    )


@pytest.fixture
def nobody(own_bucket: OwnBucket, monkeypatch: pytest.MonkeyPatch):
    """Leads to a server that is not there, for as long as it is entered."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{held.getsockname()[1]}"

        class Away:
            def __enter__(self) -> None:
                self._there = os.environ["AWS_ENDPOINT_URL"]
                monkeypatch.setenv("AWS_ENDPOINT_URL", address)

            def __exit__(self, *_: object) -> None:
                monkeypatch.setenv("AWS_ENDPOINT_URL", self._there)

        yield Away()


def published(job: Job) -> dict[str, bytes]:
    """What readers of the folders see, by its path in `sentiment/`."""
    place = job.home / "sentiment"
    files = [file for kind in ("scores", "rejected") for file in place.glob(f"{kind}/run_date=*/*")]
    return {str(file.relative_to(place)): file.read_bytes() for file in files}


def there(own_bucket: OwnBucket) -> dict[str, bytes]:
    return own_bucket.objects("some/place/")


def test_bucket_has_the_bytes_of_the_folders_under_their_names(job, own_bucket):
    """Scores, rejected rows and manifests, of all run dates."""
    job.run()
    job.again(run_date=NEXT).run()

    assert there(own_bucket) == published(job)
    assert f"scores/run_date={NEXT}/{MANIFEST}" in there(own_bucket)
    assert set(own_bucket.writes().values()) == {1}
    assert undelivered(job.home) == []


def test_data_set_in_the_bucket_reads_as_the_folder_does(job, own_bucket):
    """By pandas, through pyarrow: rows, types, and the run date."""
    job.run()
    host = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://")
    system = S3FileSystem(endpoint_override=host, scheme="http", region="us-east-1")

    here = pd.read_parquet(job.folder.scores.parent)
    found = pd.read_parquet(f"{own_bucket.name}/some/place/scores", filesystem=system)

    pd.testing.assert_frame_equal(found, here)
    assert len(here) == 39 and "run_date" in here


def test_repeated_night_writes_nothing_that_is_there(job, own_bucket):
    """Asked for again, it is finished; scored again, only what is another is written."""
    job.run()
    before = own_bucket.writes()

    job.run()
    assert own_bucket.writes() == before
    job.again(rescore=True).run()

    assert there(own_bucket) == published(job)
    again = own_bucket.writes() - before
    assert not [name for name in again if "_texts-" in name]  # they are as they were
    assert f"some/place/scores/run_date={RUN_DATE}/{MANIFEST}" in again


def test_object_that_was_lost_or_changed_is_put_right_by_a_repeat(job, own_bucket):
    """Nothing is scored for it."""
    job.run()
    manifest, *_, part = sorted(name for name in there(own_bucket) if name.startswith("scores"))
    own_bucket.client.delete_object(Bucket=own_bucket.name, Key=f"some/place/{part}")
    own_bucket.client.put_object(Bucket=own_bucket.name, Key=f"some/place/{manifest}", Body=b"{}")
    scorer = FakeScorer()

    job.run(scorer)

    assert there(own_bucket) == published(job) and scorer.scored == []


def test_other_source_of_the_date_stays_there(job, own_bucket, tmp_path):
    """Its parts are not written again."""
    job.run()
    before = own_bucket.writes()
    other = tmp_path / "mail.csv"
    write_source(other, 20)

    class Mail(Job):
        @property
        def folder(self):
            return type(super().folder)(self.home, "mail", self.run_date)

    Mail(job.home, other, job.url, scores_url=job.scores_url).run()

    assert there(own_bucket) == published(job)
    changed = own_bucket.writes() - before
    assert not [name for name in changed if "-shop-" in name] and len(changed) == 4


def killed_at(job: Job, write: int) -> None:
    """Run it in a process that is killed before its n-th write to the bucket."""
    child = os.fork()
    if child == 0:
        put, done = Bucket.put, []

        def kill(self: Bucket, name: str, file: Path, digest: str) -> None:
            done.append(name)
            if len(done) == write:
                os.kill(os.getpid(), signal.SIGKILL)
            put(self, name, file, digest)

        try:
            Bucket.put = kill  # type: ignore[method-assign]
            job.run()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


@pytest.mark.parametrize("write", [1, 2, 4, 7])
@pytest.mark.parametrize("same_date", [True, False])
def test_killed_upload_is_completed_by_the_next_run(job, own_bucket, write, same_date):
    """Of the same date, or of another; nothing is scored twice, and the row says finished."""
    killed_at(job, write)
    assert undelivered(job.home) == [RUN_DATE]
    assert f"scores/run_date={RUN_DATE}/{MANIFEST}" not in there(own_bucket)
    scorer = FakeScorer()

    job.again(run_date=RUN_DATE if same_date else NEXT).run(scorer)

    assert there(own_bucket) == published(job)
    assert scorer.scored == [] and undelivered(job.home) == []
    assert {run["status"] for run in runs(job.url)} == {"finished"}


def test_bucket_that_is_away_loses_nothing(job, own_bucket, nobody):
    """One line, and a retry may help; then the same command brings it there, and scores nothing."""
    with nobody, pytest.raises(DeliveryAway, match=AWAY) as told:
        job.run()

    assert is_transient(told.value)
    assert len(published_rows(job.folder)) == 39
    (run,) = runs(job.url)
    assert (run["status"], run["scored"]) == ("failed", 39) and "does not answer" in run["message"]
    scorer = FakeScorer()
    job.run(scorer)
    assert there(own_bucket) == published(job) and scorer.scored == []
    assert [run["status"] for run in runs(job.url)] == ["finished"]


def test_bucket_that_comes_back_while_a_night_scores_fails_nothing(job, own_bucket, nobody):
    """It is needed at the end."""

    class Returns(FakeScorer):
        def score(self, *arguments, **options):
            nobody.__exit__()
            return super().score(*arguments, **options)

    nobody.__enter__()
    assert job.run(Returns()).status == "finished"
    assert there(own_bucket) == published(job)


@pytest.mark.parametrize(
    ("url", "told"),
    [("s3://no-such-bucket", "there is no bucket s3://no-such-bucket: make it, or correct")],
)
def test_bucket_that_cannot_be_used_is_told_before_anything_is_scored(job, url, told):
    """Hours later would be late."""
    scorer = FakeScorer()

    with pytest.raises(DeliveryError, match=told) as refused:
        job.again(scores_url=url).run(scorer)

    assert not is_transient(refused.value)
    assert scorer.scored == [] and not job.folder.scores.exists()


def test_night_that_is_taken_back_and_put_back_is_so_in_the_bucket(job, own_bucket):
    """Whichever run date it is, the bucket is as the folders are."""
    job.run()
    one_night = there(own_bucket)
    job.again(run_date=NEXT).run()
    both = there(own_bucket)
    nights = Nights(job.home, "shop", job.url, job.scores_url)

    nights.take_back(NEXT)
    assert there(own_bucket) == published(job) == one_night
    nights.put_back(NEXT)
    assert there(own_bucket) == published(job) == both


@pytest.mark.parametrize("way", ["take_back", "put_back"])
def test_roll_back_that_does_not_reach_the_bucket_is_finished_when_asked_again(
    job, own_bucket, nobody, way
):
    """It counts as interrupted until then."""
    job.run()
    nights = Nights(job.home, "shop", job.url, job.scores_url)
    if way == "put_back":
        nights.take_back(RUN_DATE)

    with nobody, pytest.raises(DeliveryAway, match=AWAY):
        getattr(nights, way)(RUN_DATE)
    assert there(own_bucket) != published(job) and len(nights.unfinished()) == 1
    nights.finish()

    assert there(own_bucket) == published(job) and nights.unfinished() == []
    assert bool(nights.published()) == (way == "put_back")


def test_file_that_is_gone_here_leaves_the_bucket_as_it_is(job, own_bucket):
    """The doctor tells of it; other nights go on."""
    job.run()
    before = there(own_bucket)
    mark = job.home / "sentiment" / UNDELIVERED / job.folder.scores.name
    mark.touch()
    next(job.folder.scores.glob("part-*")).unlink()

    job.again(run_date=NEXT).run()

    left = there(own_bucket)
    assert {name: left[name] for name in left if f"={NEXT}" not in name} == before
    assert undelivered(job.home) == [RUN_DATE]


def test_without_the_setting_nothing_is_marked(job):
    """A home goes on as it was."""
    job.again(scores_url=None).run()

    assert not (job.home / "sentiment" / "undelivered").exists()
