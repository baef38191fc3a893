"""The examples of the pages "Bring your own", run on small files of the kind they are about."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.score_sentiment import ScoreSentiment
from tasks.orchestration.command_line import parse
from tasks.score_sentiment import find_source
from tests.guides import examples

BATCH = "tasks/sentiment/BRING_YOUR_OWN.md"
TEXTS = ["Lovely, I would buy it again – café", "Broke after two days; a waste of money"]


def _dump() -> bytes:
    return gzip.compress("\n".join(json.dumps({"reviewText": text}) for text in TEXTS).encode())


def _table(header: str = "id;review;stars\r\n") -> str:
    return header + "".join(f'{n};"{text}";5,0\r\n' for n, text in enumerate(TEXTS))


FILES: dict[str, Callable[[], bytes]] = {
    "reviews_Musical_5.json.gz": _dump,
    "export.csv": lambda: _table().encode(),
    "no-header.csv": lambda: _table("").encode(),
    "windows.csv": lambda: _table().encode("cp1252"),
}


@pytest.mark.parametrize(
    "words",
    [pytest.param(words, id=" ".join(words[3:])) for words in (
        *examples(BATCH, "Files"), *examples(BATCH, "CSV files"))],
)  # fmt: skip
def test_example_of_the_batch_page_reads_its_file(words, tmp_path, monkeypatch):
    """The command is understood, and every text of the file arrives."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRIPTYCH_HOME", str(tmp_path / "var"))
    assert words[:3] == ["python", "-m", "flows.score_sentiment"]
    asked = parse(ScoreSentiment, "python -m flows.score_sentiment", words[3:])
    Path(asked.source).write_bytes(FILES[asked.source]())

    rows = list(find_source(asked).rows([asked.text_column, *asked.carry]))

    assert [row.values and row.values[asked.text_column] for row in rows] == TEXTS
    stars = [row.values and row.values.get("stars") for row in rows]
    assert stars == (["5.0", "5.0"] if asked.carry else [None, None])


@pytest.mark.parametrize("words", examples(BATCH, "Folders"), ids=" ".join)
def test_example_of_a_folder_reads_all_below_it(words, tmp_path, monkeypatch):
    """With the date that the folder's name gives."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRIPTYCH_HOME", str(tmp_path / "var"))
    for day in ("2026-11-01", "2026-11-02"):
        file = tmp_path / "feed" / f"date={day}" / "reviews.csv"
        file.parent.mkdir(parents=True)
        file.write_bytes(_table().encode())
    asked = parse(ScoreSentiment, "python -m flows.score_sentiment", words[3:])

    rows = find_source(asked).rows([asked.text_column, *asked.carry], asked.carry)

    dates = [row.values["date"] for row in rows if row.values is not None]
    assert dates == ["2026-11-01", "2026-11-01", "2026-11-02", "2026-11-02"]
