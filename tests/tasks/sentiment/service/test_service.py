"""The service as BentoML serves it, with the bundled model."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tasks.comparison.measuring.doors.server import serving
from tasks.sentiment.scoring.model import find_model
from tasks.sentiment.scoring.scorer import Scorer

pytestmark = pytest.mark.slow

SERVICE = "tasks.sentiment.service.service:SentimentScorer"
ROOT = Path(__file__).parents[4]


def ask(address, text):
    host, port = address
    body = json.dumps({"text": text})
    headers = {"content-type": "application/json"}
    return httpx.post(f"http://{host}:{port}/score", content=body, headers=headers, timeout=60)


def answers(address):
    try:
        return ask(address, "Good").status_code == 200
    except httpx.HTTPError:
        return False


def test_service_answers_with_the_models_own_scores(tmp_path):
    """Its probes are there as well, and it ends in good order."""
    scorer = Scorer(find_model("triptych-sentiment", cache=tmp_path), "float32", threads=1)
    with serving(SERVICE, tmp_path, answers) as server:
        for text in ("I love it", "Broke after a day, never again"):
            found = ask(server.address, text).json()["probabilities"]["POSITIVE"]
            assert found == pytest.approx(float(scorer.score([text])[0]), abs=1e-4)
        host, port = server.address
        for probe in ("/livez", "/readyz"):
            assert httpx.get(f"http://{host}:{port}{probe}", timeout=60).status_code == 200
        assert ask(server.address, " ").status_code == 422


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TRIPTYCH_API_KEYS", "short", "at least 16 characters"),
        ("TRIPTYCH_SENTIMENT_PRECISION", "int4", "'float32', 'bfloat16' or 'int8'"),
    ],
)
def test_wrong_setting_ends_it_with_one_line(tmp_path, name, value, said):
    environment = {"PATH": os.environ["PATH"], "TRIPTYCH_HOME": str(tmp_path), name: value}
    ran = subprocess.run(
        [sys.executable, "-c", f"import {SERVICE.partition(':')[0]}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 1
    [line] = ran.stderr.splitlines()
    assert line.startswith(f"error: {name}: ") and said in line
