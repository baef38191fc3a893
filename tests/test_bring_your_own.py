"""The examples of the pages "Bring your own", run on small files of the kind they are about."""

import gzip
import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pytest
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    temporary_settings,
)

from flows.score_sentiment import ScoreSentiment, score_sentiment
from flows.train_fraud import TrainFraud
from tasks import train_fraud
from tasks.orchestration.command_line import parse
from tasks.score_sentiment import find_source
from tasks.sentiment.scoring.labels import AskedLabels
from tasks.sentiment.scoring.model import find_model
from tests.flows.prefect_server import server_password, server_url, stop_server
from tests.guides import examples
from tests.tasks.sentiment.tiny_model import (
    tiny_network,
    write_able_model,
    write_graded_model,
    write_model,
)

REAL_TIME = "services/fraud/BRING_YOUR_OWN.md"
BATCH = "tasks/sentiment/BRING_YOUR_OWN.md"
TEXTS = ["Lovely, I would buy it again – café", "Broke after two days; a waste of money"]


def _dump() -> bytes:
    return gzip.compress("\n".join(json.dumps({"reviewText": text}) for text in TEXTS).encode())


def _table(header: str = "id;review;stars\r\n", prefix: str = "") -> str:
    return header + "".join(f'{prefix}{n};"{text}";5,0\r\n' for n, text in enumerate(TEXTS))


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


MODELS = {
    "my-stars": ["1 star", "2 stars", "3 stars", "4 stars", "5 stars"],
    "my-three": ["LABEL_0", "LABEL_1", "LABEL_2"],
    "my-logit": ["LABEL_0"],
}


@pytest.mark.parametrize("words", examples(BATCH, "Models"), ids=" ".join)
def test_example_of_a_model_opens_it(words, tmp_path, monkeypatch):
    """With the labels that the page says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRIPTYCH_HOME", str(tmp_path / "var"))
    asked = parse(ScoreSentiment, "python -m flows.score_sentiment", words[3:])
    names = dict(enumerate(MODELS[asked.model]))
    write_model(tmp_path / asked.model, tiny_network(id2label=names, label2id={}))

    labels = AskedLabels(asked.positive_label, asked.neutral_label)
    model = find_model(asked.model, cache=tmp_path, asked=labels)

    assert {
        "my-stars": "1 star, 2 stars = NEGATIVE; 3 stars = NEUTRAL; 4 stars, 5 stars = POSITIVE",
        "my-three": "LABEL_0 = NEGATIVE; LABEL_1 = NEUTRAL; LABEL_2 = POSITIVE",
        "my-logit": "the sigmoid of the one logit, LABEL_0, is the probability of POSITIVE",
    }[asked.model] == model.labels.rule


SLOPES: dict[str, list[float]] = {
    "my-stars": [-1, -0.5, 0, 0.5, 1],
    "my-three": [-1, 0, 1],
    "my-logit": [1],
}


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models of the page, and one that stands in for the bundled one; all small and able."""
    folder = tmp_path_factory.mktemp("models")
    able = write_able_model(folder / "able")
    for name, slopes in SLOPES.items():
        write_graded_model(folder / name, able, dict(zip(MODELS[name], slopes, strict=True)))
    return folder


@pytest.fixture(scope="session")
def flows_server() -> Iterator[str]:
    """The server that flows of this process report to."""
    yield server_url()
    stop_server()


def _write_sources(folder: Path) -> None:
    for name, content in FILES.items():
        (folder / name).write_bytes(content())
    (folder / "reviews.csv").write_bytes(_table().encode())
    for day in ("2026-11-01", "2026-11-02"):
        file = folder / "feed" / f"date={day}" / "reviews.csv"
        file.parent.mkdir(parents=True)
        file.write_bytes(_table(prefix=f"{day}-").encode())


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [pytest.param(words, id=" ".join(words[3:])) for section in (
        "Files", "Folders", "CSV files", "Models") for words in examples(BATCH, section)],
)  # fmt: skip
def test_example_of_the_batch_page_runs_to_its_end(
    words, models, flows_server, tmp_path, monkeypatch, capfd
):
    """Each review is scored and published, and the summary says how the source was read."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRIPTYCH_HOME", str(tmp_path / "var"))
    _write_sources(tmp_path)
    asked = parse(ScoreSentiment, "python -m flows.score_sentiment", words[3:])
    model = asked.model if asked.model in MODELS else "able"
    (tmp_path / model).symlink_to(models / model)
    asked = asked.model_copy(update={"model": model, "precision": "float32"})

    with temporary_settings(
        {
            PREFECT_API_URL: flows_server,
            PREFECT_API_AUTH_STRING: server_password(),
            PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
        }
    ):
        outcome = score_sentiment(asked)

    files = 2 if asked.source.startswith("feed") else 1
    assert (outcome.status, outcome.rejected) == ("finished", 0)
    assert outcome.scored == files * len(TEXTS)
    published = pd.read_parquet(tmp_path / "var" / "sentiment" / "scores")
    assert len(published) == outcome.scored
    assert {f"input_{column}" for column in asked.carry} <= set(published.columns)
    assert "read as" in capfd.readouterr().out


def _days(line: Callable[[int, int, bool], str], header: str) -> Callable[[], str]:
    """A table of 60 days with ten rows each. Two of them are frauds, and of larger amounts."""
    return lambda: header + "".join(line(n, n // 10, n % 5 == 0) for n in range(600))


TABLES: dict[str, Callable[[], str]] = {
    "fraudTrain.csv": _days(
        lambda n, day, fraud: (
            f"{n},2019-0{1 + day // 28}-{1 + day % 28:02} 00:00:18,{n},a,{400 if fraud else 4},"
            f"t{n},{fraud}\n"
        ),
        ",trans_date_trans_time,cc_num,merchant,amt,trans_num,is_fraud\n",
    ),
    "paysim.csv": _days(
        lambda n, day, fraud: (
            f"{24 * day},PAYMENT,{964 if fraud else 9.64},C{n},M{n % 3},{int(fraud)}\n"
        ),
        "step,type,amount,nameOrig,nameDest,isFraud\n",
    ),
    "export.csv": _days(
        lambda n, day, fraud: (
            f"{'-' * (n == 7)}{97 if fraud else 4}.975;c{n};s;{1_690_000_000 + day * 86_400};"
            f"{int(fraud)}\n"
        ),
        "amount;card;shop;paid;is_fraud\n",
    ),
    "creditcard.csv": _days(
        lambda n, day, fraud: (
            f'{day * 3_600 + n},{4 if fraud else -1.1},{n % 7},149.62,"{int(fraud)}"\n'
        ),
        '"Time","V1","V2","Amount","Class"\n',
    ),
    "orders.csv": _days(
        lambda n, day, fraud: (
            f"2026-10-{1 + day // 2:02};{900 if fraud else n % 50},5;{'FR' if n % 2 else 'DE'};web;"
            f";hi;{fraud}\n"
        ),
        "ordered;total;country;channel;items;note;chargeback\n",
    ),
}


@pytest.mark.parametrize(
    "words",
    [pytest.param(words, id=" ".join(words[3:])) for words in (
        *examples(REAL_TIME, "Train on your transactions"),
        *examples(REAL_TIME, "Train on any table"))],
)  # fmt: skip
def test_example_of_the_fraud_page_reads_its_table(words, tmp_path, monkeypatch):
    """The command is understood, and what trains and what tests is found in its file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRIPTYCH_HOME", str(tmp_path / "var"))
    asked = parse(TrainFraud, "python -m flows.train_fraud", words[3:])
    file = asked.table or asked.transactions
    assert file is not None
    file.write_text(TABLES[file.name]())

    day = date(2026, 11, 22)
    with train_fraud.open_run(asked.model_copy(update={"run_date": day})) as job:
        assert job.folder.read(job.source, datetime(2026, 11, 22, tzinfo=UTC), job.reading) > 50
        assert job.folder.assumed()
        job.folder.compute_features()
        data = job.folder.data(job.periods)
        assert data.is_fraud[data.train].any() and data.test.any()
