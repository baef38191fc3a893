"""The examples of the page "Bring your own" about addresses, run on servers of this machine."""

import gzip

import pytest

from flows.score_sentiment import ScoreSentiment
from tasks.orchestration.command_line import parse
from tasks.score_sentiment import find_source
from tests.guides import examples
from tests.tasks.sentiment.reading.remote.servers import web_server

TABLE = b"id,review\n1,good\n2,bad\n"


@pytest.mark.parametrize(
    "words", examples("tasks/sentiment/BRING_YOUR_OWN.md", "Addresses"), ids=" ".join
)
def test_example_reads_all_of_its_address(words, s3):
    """With the date that a folder's name gives."""
    for day in ("01", "02"):
        s3.put(f"feed/date=2026-11-{day}/reviews.csv", TABLE)
    with web_server() as web:
        web.files["/exports/reviews.csv.gz"] = gzip.compress(TABLE)
        places = {"https://example.com": web.address, "my-bucket": s3.name}
        for name, place in places.items():
            words = [word.replace(name, place) for word in words]
        asked = parse(ScoreSentiment, "python -m flows.score_sentiment", words[3:])
        rows = list(find_source(asked).rows([asked.text_column, *asked.carry], asked.carry))

    assert len(rows) == (4 if asked.carry else 2)
    dates = {row.values["date"] for row in rows if row.values and asked.carry}
    assert dates == ({"2026-11-01", "2026-11-02"} if asked.carry else set())


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("https://user:hunter2@host/reviews.csv", "TRIPTYCH_SOURCE_AUTHORIZATION"),
        ("postgresql://user:hunter2@host/shop", "TRIPTYCH_SOURCE_DATABASE_URL"),
        ("ftp://user:hunter2@host/reviews.csv", "copy the file"),
        ("az://container/reviews.csv?sig=hunter2", "copy the file"),
    ],
)
def test_command_line_refuses_a_secret_and_does_not_repeat_it(address, says, capsys):
    """Before anything is started or stored; so is an address that is not read at all."""
    given = ["--source", address, "--text-column", "review"]
    with pytest.raises(SystemExit):
        parse(ScoreSentiment, "python -m flows.score_sentiment", given)

    said = " ".join(capsys.readouterr().err.split())
    assert says in said and "hunter2" not in said
    with pytest.raises(ValueError, match=says) as error:
        ScoreSentiment(source=given[1], text_column="review")
    assert "hunter2" not in str(error.value)
