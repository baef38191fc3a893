"""What the benchmarks write becomes rows: which is ours, a peer, a limit."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tests.benchmarks.bench.record import Row
from tests.benchmarks.bench.rows import (
    comparison_rows,
    edge_rows,
    fraud_rows,
    memory_rows,
    quality_rows,
    sentiment_rows,
)
from tests.benchmarks.bench_sentiment import Result
from tests.benchmarks.load import Load


def by_what(rows: Sequence[Row]) -> dict[str, Row]:
    return {row.what: row for row in rows}


def test_scorers_limit_is_the_product_in_the_same_type():
    """The flow's too, in the precision that it has chosen; what failed has no rounds."""
    results = [
        Result("tiny", "pipeline(text), one by one", 8, (2.0, 2.5)),
        Result("tiny", "pipeline(texts, batch_size=32)", 8, fault="no answer: OSError: gone"),
        Result("tiny", "our scorer, float32", 8, (10.0, 11.0)),
        Result("tiny", "matrix product, float32", 8, (20.0, 22.0)),
        Result("tiny", "our scorer, int8", 8, (15.0, 16.0)),
        Result("tiny", "matrix product, int8", 8, (60.0, 61.0)),
        Result("tiny", "the whole flow, int8", 8, (12.0, 13.0)),
    ]
    rows = by_what(sentiment_rows({"results": [asdict(result) for result in results]}))
    assert list(rows) == [
        "tiny, our scorer, float32",
        "tiny, our scorer, int8",
        "tiny, the whole flow, int8",
    ]
    flow = rows["tiny, the whole flow, int8"]
    assert flow.ours == (12.0, 13.0)
    assert flow.peers == {
        "pipeline(text), one by one": (2.0, 2.5),
        "pipeline(texts, batch_size=32)": (),
    }
    assert flow.limits == {"matrix product, int8": (60.0, 61.0)}
    assert rows["tiny, our scorer, float32"].limits == {"matrix product, float32": (20.0, 22.0)}


def answered(memory_mb: float, *rates: float) -> dict[str, Any]:
    loads = [Load(count, 1.0, 2.0, rate, 0) for count, rate in zip((1, 8), rates, strict=True)]
    return {"memory_mb": memory_mb, "loads": [asdict(load) for load in loads]}


def test_servers_are_compared_for_each_number_of_connections():
    """In each round; a peer that did not start, or answered nothing, has no figure there."""
    dead: dict[str, Any] = {"fault": "it ended with 1", "loads": [], "memory_mb": None}
    rounds = {
        "flask": [answered(700.0, 100.0, 0.0), dead],
        "starlette": [answered(60.0, 900.0, 990.0), answered(61.0, 910.0, 980.0)],
        "triptych": [answered(80.0, 800.0, 880.0), answered(81.0, 810.0, 870.0)],
    }
    single, eight, memory = fraud_rows({"rounds": rounds})
    assert (single.what, eight.what) == (
        "/detect_fraud, 1 connection",
        "/detect_fraud, 8 connections",
    )
    assert single.ours == (800.0, 810.0)
    assert single.peers == {"flask": (100.0, None)}
    assert eight.peers == {"flask": (None, None)}
    assert eight.limits == {"starlette": (990.0, 980.0)}
    assert memory.better == "lower" and memory.peers == {"flask": (700.0, None)}


def test_loops_limit_is_the_bare_interpreter():
    """Writing a video, there is none."""
    rates = {
        "original": 245.0,
        "bare": 439.0,
        "ours": 406.0,
        "original+mp4": 160.0,
        "ours+mp4": 275.0,
    }
    ways = {way: [{"rate": rate}, {}] for way, rate in rates.items()}
    loop, writing = edge_rows({"cases": {"parts": ways}})
    assert (loop.what, loop.ours) == ("parts", (406.0, None))
    assert loop.peers == {"the original loop": (245.0, None)}
    assert loop.limits == {"the bare interpreter": (439.0, None)}
    assert writing.peers == {"the original loop": (160.0, None)} and not writing.limits


def test_seeds_are_the_rounds_of_quality():
    """Published figures stand beside each; a hundredth less is a fall."""
    seeds = [{"average_precision": 0.70}, {"average_precision": 0.72}]
    floors = [{"average_precision": 0.60}, {"average_precision": 0.60}]
    (row,) = quality_rows(
        {
            "published": {"the Handbook's": {"average_precision": 0.687}},
            "days": {"7": {"network": seeds, "logistic regression": floors}},
        }
    )
    assert row.what == "7 days to train on, average precision"
    assert row.ours == (0.70, 0.72) and row.noise == 0.01
    assert row.peers == {"logistic regression": (0.60, 0.60), "the Handbook's": (0.687, 0.687)}


def test_longest_nights_memory_stands_beside_shorter_ones():
    """Ten times the reviews take little more."""
    runs = [
        {"rows": 2_000, "rounds": [{"peak_mib": 400.0}, {"peak_mib": None}]},
        {"rows": 20_000, "rounds": [{"peak_mib": 440.0}, {"peak_mib": 441.0}]},
    ]
    (row,) = memory_rows({"runs": runs})
    assert row.what == "peak of a night of 20,000 reviews"
    assert row.ours == (440.0, 441.0) and row.peers == {"2,000 reviews": (400.0, None)}
    ratio = row.ratio("2,000 reviews")
    assert ratio is not None and round(ratio.median, 2) == 0.91


def way(
    name: str, rows_per_s: float, p50_ms: float | None, highest: float | None
) -> dict[str, Any]:
    loads: list[dict[str, Any]] = [{"scenario": "Offline", "samples_per_s": 1.0, "latency": None}]
    if p50_ms:
        latency = {"p50_ms": p50_ms}
        loads.append({"scenario": "SingleStream", "samples_per_s": 900.0, "latency": latency})
    bound = {"per_s": highest} if highest else None
    return {"way": name, "rows_per_s": rows_per_s, "loads": loads, "highest_rate": bound}


def test_ways_of_a_model_are_one_anothers_peers():
    """A way that was not measured in a round has no figure there."""
    ways = [
        way("night", 50_000.0, None, None),
        way("service", 5_000.0, 0.4, 3_000.0),
        way("device", 20_000.0, 0.05, None),
    ]
    rounds = [{"models": [{"name": "fraud", "ways": ways}]}]
    rounds.append({"models": [{"name": "fraud", "ways": ways[:1]}]})
    rows = by_what(comparison_rows({"rounds": rounds}))
    night = rows["fraud, the night"]
    assert night.ours == (50_000.0, 50_000.0)
    assert night.peers == {"service": (5_000.0, None), "device": (20_000.0, None)}
    device = rows["fraud, one answer of the device, p50"]
    assert (device.better, device.ours) == ("lower", (0.05, None))
    assert device.peers == {"service": (0.4, None)}
    highest = rows["fraud, highest rate of the service within its bound"]
    assert (highest.ours, highest.peers) == ((3_000.0, None), {"one after another": (900.0, None)})
