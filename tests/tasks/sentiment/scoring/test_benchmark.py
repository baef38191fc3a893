"""What the benchmark of the scorer keeps when one of its ways fails."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from tests.benchmarks import bench_sentiment
from tests.benchmarks.bench_sentiment import Result, bench, render, share_of_scorer, write
from tests.benchmarks.peers import matrix_product, sentiment_ways
from tests.benchmarks.peers.sentiment_ways import LOOP, Sizes, Turn, Way
from tests.tasks.sentiment.tiny_model import sample_texts, write_model

FAILED = Result("tiny", "pipeline(text), one by one", 32, fault="no answer: OSError: gone")
FLOAT32 = Result("tiny", "our scorer, float32", 32, (99.0, 100.0, 130.0))
FLOW = Result("tiny", "the whole flow, float32", 32, (80.0,))


def shown(*results: Result) -> str:
    printed = io.StringIO()
    Console(file=printed, width=200).print(render(results))
    return printed.getvalue()


def limit_is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """One small product each time: nobody reads its figure."""
    monkeypatch.setattr(matrix_product, "SECONDS", 0.0)
    monkeypatch.setattr(matrix_product, "SIDE", 32)


def test_ways_take_turns(tmp_path, monkeypatch):
    """All of them in each round: what else the machine does meets them alike."""
    from tasks.sentiment.scoring.model import find_model

    def flow(*_: object) -> Way:
        return Way("the whole flow, int8", 8, lambda number: Turn(10.0 + number))

    monkeypatch.setattr(sentiment_ways, "_flow", flow)
    limit_is_quick(monkeypatch)
    model = find_model(str(write_model(tmp_path / "model")), cache=tmp_path)

    told = list(bench(model, "tiny", list(sample_texts(8)), Sizes(8, 8, 8, 8), 3, tmp_path))

    first = [result.way for result in told[: len(told) // 3]]
    assert len(set(first)) == len(first) == 9
    assert [result.way for result in told] == first * 3
    assert [len(result.rounds) for result in told[:: len(first)]] == [1, 2, 3]
    assert told[-1].rounds == (10.0, 11.0, 12.0)
    assert told[-1].reviews_per_second == 11.0
    assert all(result.agreement == 1.0 for result in told if result.way == LOOP)


def test_way_that_fails_is_shown_and_the_others_are_measured(tmp_path, monkeypatch):
    """The original loop is what the others are compared with; they have figures without it."""
    from tasks.sentiment.scoring.model import find_model

    def broken(*_: object) -> None:
        raise OSError("no such backend\nsecond line")

    for way in ("_pipeline", "_flow"):
        monkeypatch.setattr(sentiment_ways, way, broken)
    limit_is_quick(monkeypatch)
    model = find_model(str(write_model(tmp_path / "model")), cache=tmp_path)
    sizes = Sizes(8, 8, 8, 8)

    told = list(bench(model, "tiny", list(sample_texts(8)), sizes, 2, tmp_path))
    results = list({result.way: result for result in told}.values())

    failed = [result.way for result in results if result.fault]
    assert failed == [
        "pipeline(text), one by one",
        "pipeline(texts, batch_size=32)",
        "the whole flow",
    ]
    assert results[0].fault == "no answer: OSError: no such backend"
    assert all(len(r.rounds) == 2 for r in results if not r.fault)
    assert shown(*results).count("no answer") == 3


def test_file_names_the_cpu_and_its_features(tmp_path):
    """Metrics of machines can be told apart; what failed stands beside what did not."""
    output = tmp_path / "sentiment.json"
    write([FAILED, FLOAT32], "reviews.csv", output)
    document = json.loads(output.read_text())
    assert document["cpu"]
    assert isinstance(document["features"], list)
    assert document["cores"] > 0
    assert [r["reviews_per_second"] for r in document["results"]] == [None, 100.0]
    assert document["results"][0]["fault"] == FAILED.fault


@pytest.mark.parametrize(
    ("results", "share"),
    [([FLOAT32, FLOW], 0.8), ([FLOW], None), ([FLOAT32], None), ([FAILED], None), ([], None)],
)
def test_share_of_the_scorer_needs_both(results, share):
    """Where one is missing there is no share, and no error."""
    assert share_of_scorer(results, "tiny") == share
    assert shown(*results)


def test_main_writes_after_each_way(tmp_path, monkeypatch, capsys):
    """Minutes of measuring are not lost with what comes after."""

    def interrupted(*_: object):
        yield FAILED
        yield FLOAT32
        raise KeyboardInterrupt

    output = Path(tmp_path / "out" / "sentiment.json")
    monkeypatch.setattr(bench_sentiment, "bench_all", interrupted)
    monkeypatch.setattr("sys.argv", ["bench", "--quick", "--output", str(output)])
    with pytest.raises(KeyboardInterrupt):
        bench_sentiment.main()
    assert len(json.loads(output.read_text())["results"]) == 2
    assert "no answer: OSError: gone" in capsys.readouterr().err
