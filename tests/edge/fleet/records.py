"""Records as a device sends them."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def a_record(seq: int = 1, device: str = "camera-7", **changes: Any) -> dict[str, Any]:
    """A record of a minute; `seq` minutes after noon of the day before."""
    at = NOON - timedelta(days=1) + timedelta(minutes=seq)
    return {
        "format": 1,
        "device": device,
        "seq": seq,
        "at": at.isoformat().replace("+00:00", "Z"),
        "interval_s": 60.0,
        "frames": 900,
        "fps": 15.0,
        "dropped": 3,
        "reopened": 0,
        "latency_ms": {
            "infer": {"p50": 20.5, "p99": 31.0},
            "total": {"p50": 40.0, "p99": 66.0},
        },
        "temperature_c": 51.5,
        "detections": {"bolt": 120, "defective": 4},
        "model": {"name": "parts", "version": "1.2.3", "sha256": "ab" * 32},
        "runtime": "ai-edge-litert 2.3.0",
        "state": "ok",
        "offline_s": 1.5,
        "uptime_s": 60.0 * seq,
        "lost": 0,
        "versions": {"python": "3.11.7", "opencv": "5.0.0", "edge_detector": "0.1.0"},
        **changes,
    }


def line(record: Any) -> bytes:
    return json.dumps(record).encode() + b"\n"


def put(inbox: Path, name: str, *lines: bytes, device: str = "camera-7") -> Path:
    """A file in a device's folder."""
    file = inbox / device / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"".join(lines))
    return file
