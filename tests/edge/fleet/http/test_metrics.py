"""What Prometheus is told of the fleet's server."""

from starlette.testclient import TestClient

from edge.fleet.http.web import build
from tests.edge.fleet.records import a_record, line


def test_answers_and_records_are_counted_and_no_device_is_named(tmp_path):
    """By route and status; what a caller writes into a path becomes no series of its own."""
    (tmp_path / "releases").mkdir()
    asked = TestClient(build(tmp_path / "releases", tmp_path / "inbox"), client=("127.0.0.1", 1))
    asked.post("/telemetry/press-1", content=line(a_record(1)) + line(a_record(2)))
    asked.post("/telemetry/press-1", content=b"no line")
    for number in range(3):
        asked.get(f"/somewhere/{number}")
    asked.get("/releases/metadata/timestamp.json")
    answer = asked.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    counts = dict(
        row.rsplit(" ", 1) for row in answer.text.splitlines() if row.startswith("triptych_fleet")
    )
    name = "triptych_fleet_requests_total"
    assert counts[f'{name}{{route="/telemetry",status="200"}}'] == "1.0"
    assert counts[f'{name}{{route="/telemetry",status="400"}}'] == "1.0"
    assert counts[f'{name}{{route="other",status="404"}}'] == "3.0"
    assert counts[f'{name}{{route="/releases/metadata",status="404"}}'] == "1.0"
    assert counts["triptych_fleet_records_total"] == "2.0"
    assert float(counts["triptych_fleet_disk_free_bytes"]) > 0
    assert "process_resident_memory_bytes" in answer.text
    assert "press-1" not in answer.text and "somewhere" not in answer.text
