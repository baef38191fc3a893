"""Promises of the benchmark's figures: what a peer does not give is shown as such."""

import asyncio
import json
import socket
from dataclasses import asdict
from io import StringIO

import pytest
from rich.console import Console

from tests.benchmarks import bench_fraud
from tests.benchmarks.comparison import (
    Metrics,
    format_load,
    format_ratio,
    keep,
    median_peer,
    ratios,
    table_of,
)
from tests.benchmarks.load import Load, _recovered, _share_ms, read_wrk
from tests.benchmarks.machine import describe_machine
from tests.benchmarks.peers.fraud_peers import PEERS

ANSWERED = """
  Thread Stats   Avg      Stdev     Max   +/- Stdev
  Latency Distribution
     50%    1.50ms
     75%    2.00ms
     99%   12.00ms
  4000 requests in 4.00s, 1.00MB read
Requests/sec:   1000.00
"""
NOTHING = """
  Latency Distribution
     50%    0.00us
     99%    0.00us
  0 requests in 4.10s, 0.00B read
  Socket errors: connect 0, read 3, write 0, timeout 128
Requests/sec:      0.00
"""
REFUSED = ANSWERED.replace("\nRequests/sec", "\n  Non-2xx or 3xx responses: 3000\nRequests/sec")
ALL_REFUSED = REFUSED.replace("3000", "4000")
GOOD = asdict(read_wrk(ANSWERED, 1))
NONE = asdict(read_wrk(NOTHING, 128))


@pytest.mark.parametrize(
    ("said", "load"),
    [
        (ANSWERED, Load(8, 1.5, 12.0, 1_000.0, 0)),
        (NOTHING, Load(8, None, None, 0.0, 131)),
        (REFUSED, Load(8, 1.5, 12.0, 250.0, 3_000)),
        (ALL_REFUSED, Load(8, None, None, 0.0, 4_000)),
        ("unable to connect to 127.0.0.1:1 Connection refused\n", Load(8, None, None, 0.0, 8)),
        ("", Load(8, None, None, 0.0, 8)),
    ],
    ids=["answered", "nothing", "some refused", "all refused", "no server", "silence"],
)
def test_load_counts_what_was_answered(said, load):
    """Refusals and silence are no answers, and times over nothing are none."""
    assert read_wrk(said, 8) == load


@pytest.mark.parametrize(
    ("ours", "theirs", "told"),
    [(3, 2, "1.50"), (3, 0, "-"), (0, 3, "-"), (0, 0, "-"), (None, 3, "-"), (3, None, "-")],
)
def test_ratio_over_nothing_is_a_dash(ours, theirs, told):
    """Neither infinite nor an error."""
    assert format_ratio(ours, theirs) == told


def test_peer_that_gives_nothing_is_shown_as_such():
    """At one number of connections, at all, or because it did not even start."""
    peers: dict[str, Metrics] = {
        "slow": {"loads": [GOOD, NONE], "memory_mb": 749.0, "ready_s": 3.0},
        "dead": {"fault": "it ended with 1", "loads": [], "memory_mb": None, "ready_s": None},
        "ours": {"loads": [GOOD, GOOD], "memory_mb": 80.0, "ready_s": 2.0},
    }
    output = StringIO()
    console = Console(width=160, file=output)
    console.print(table_of(peers, (1, 128)))

    assert format_load(NONE) == format_load(None) == "no answer"
    assert ratios(peers, "ours", "slow", 2) == ["1.00", "-"]
    assert ratios(peers, "ours", "dead", 2) == ["-", "-"]
    assert ratios(peers, "dead", "ours", 2) == ["-", "-"]
    assert output.getvalue().count("no answer") == 3


def test_round_that_failed_leaves_the_others():
    """The median is that of the rounds that were measured."""
    fast = {**GOOD, "requests_per_second": 3_000.0}
    failed: Metrics = {"fault": "no answer in time", "loads": []}
    rounds = [failed, {"loads": [GOOD], "memory_mb": 1.0}, {"loads": [fast], "memory_mb": 2.0}]

    assert median_peer(rounds)["loads"] == [fast]
    assert median_peer([failed, failed]) == failed


def test_figures_are_kept_as_valid_json(tmp_path):
    """With the machine they were measured on; what there is none of is null."""
    output = tmp_path / "new" / "fraud.json"
    keep({"machine": describe_machine(), "peers": {"slow": {"loads": [NONE]}}}, output)
    kept = json.loads(output.read_text(), parse_constant=pytest.fail)

    assert kept["peers"]["slow"]["loads"][0]["p99_ms"] is None
    assert kept["machine"]["cpu"] and kept["machine"]["cores"] >= 1
    assert isinstance(kept["machine"]["features"], list)
    assert [file.name for file in output.parent.iterdir()] == ["fraud.json"]


def test_server_that_does_not_come_back_is_no_error():
    """After the rush nobody listens, or nobody was answered."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    assert asyncio.run(_recovered("127.0.0.1", port, b"GET / HTTP/1.1\r\n\r\n")) is None
    assert _share_ms([], 0.99) is None


def test_benchmark_keeps_what_it_has(tmp_path, monkeypatch):
    """One peer gives nothing, and the service alone breaks off: the rest is written and shown."""
    output = tmp_path / "fraud.json"
    figures = {"loads": [GOOD] * 3 + [NONE], "memory_mb": 1.0, "ready_s": 1.0}

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(bench_fraud, "require_wrk", lambda: "wrk")
    monkeypatch.setattr(bench_fraud, "train", lambda home: home)
    monkeypatch.setattr(bench_fraud, "bench_peer", lambda *_: figures)
    monkeypatch.setattr(bench_fraud, "bench_ours", interrupted)
    monkeypatch.setattr("sys.argv", ["bench_fraud", "--quick", "--output", str(output)])
    with pytest.raises(KeyboardInterrupt):
        bench_fraud.main()

    assert set(json.loads(output.read_text())["peers"]) == {*PEERS, bench_fraud.OURS}


def test_peer_that_ends_is_told(tmp_path, monkeypatch):
    """A peer whose package is missing, say: its row says so, and the benchmark goes on."""
    monkeypatch.setattr(bench_fraud, "OURS", "none of them")

    found = bench_fraud.bench_peer("no-such-peer", tmp_path, tmp_path, 1)

    assert "ended with" in found["fault"] and found["loads"] == []
