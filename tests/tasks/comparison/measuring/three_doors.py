"""Scores of the same rows through the code of all three ways, in this process."""

import asyncio
import json
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from services.fraud.night import score_table
from services.fraud.scoring.scorer import FraudScorer
from tasks.comparison.measurement import Way
from tasks.comparison.measuring.doors import device
from tasks.sentiment.scoring.model import find_model
from tasks.sentiment.scoring.scorer import Scorer
from tasks.sentiment.service.web import Web
from tests.services.fraud.running import InProcess, nothing_behind, promoted
from tests.tasks.sentiment.small_run import Job, published_rows

MODEL = "triptych-sentiment"


def fraud_night(model, rows, scratch: Path):
    scorer = FraudScorer(model, "fraud_detector:1")
    source, output = scratch / "night.parquet", scratch / "scored.parquet"
    names = scorer.input.names
    pq.write_table(pa.table({name: rows[:, i] for i, name in enumerate(names)}), source)
    score_table(source, output, scorer)
    return pq.read_table(output)["probability"].to_numpy()


def fraud_service(model, rows, scratch: Path):
    home = scratch / "home"
    promoted(model, home)
    with InProcess(home) as service:
        bodies = [{"transaction_data": row} for row in rows.tolist()]
        answers = asyncio.run(ask(service.client, "/detect_fraud", bodies))
    return np.array([answer["probability"] for answer in answers])


def fraud_device(model, rows, scratch: Path):
    answer = device.open_fraud(model)
    return np.array([answer(row) for row in rows.tolist()])


def sentiment_night(texts, scratch: Path):
    source = scratch / "reviews.parquet"
    ids = [f"{place:06d}" for place in range(len(texts))]
    pq.write_table(pa.table({"id": ids, "day": ids, "review": texts}), source)
    job = Job(scratch / "home", source, f"sqlite:///{scratch / 'night.db'}", rows_per_part=400)
    job.run(bundled(2))
    return np.array([row["positive_probability"] for row in published_rows(job.folder)])


def sentiment_service(texts, scratch: Path):
    web = Web(bundled(2), threads=2)

    async def application(scope, receive, send):
        await web(scope, receive, send, nothing_behind)

    transport = httpx.ASGITransport(application)
    client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")
    try:
        answers = asyncio.run(ask(client, "/score", [{"text": text} for text in texts]))
    finally:
        web.close()
    return np.array([answer["probabilities"]["POSITIVE"] for answer in answers])


def sentiment_device(texts, scratch: Path):
    model = find_model(MODEL, cache=scratch)
    answer = device.open_sentiment(model.path, "float32")
    return np.array([answer(text) for text in texts])


FRAUD = {Way.NIGHT: fraud_night, Way.SERVICE: fraud_service, Way.DEVICE: fraud_device}
SENTIMENT = {
    Way.NIGHT: sentiment_night,
    Way.SERVICE: sentiment_service,
    Way.DEVICE: sentiment_device,
}


def bundled(threads):
    return Scorer(find_model(MODEL, cache=Path("unused")), "float32", threads=threads)


async def ask(client, path, bodies):
    """The answers to bodies, one after another."""
    answers = []
    for body in bodies:
        headers = {"content-type": "application/json"}
        answer = await client.post(path, content=json.dumps(body), headers=headers)
        assert answer.status_code == 200, answer.text
        answers.append(answer.json())
    return answers
