"""Transactions that are sent to a fraud service, and what comes of them."""

import json
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from subprocess import Popen
from typing import Any

import httpx
import psutil
import sqlalchemy as sa

from services.fraud.demo import transaction
from services.fraud.state.snapshot import Row
from tests.flows.large.side import Side
from tests.services.fraud.running import wait_until

PATH = "/score_transaction"
RECORDED = "fraud_predictions WHERE coalesce(degraded, '') NOT LIKE '%not_recorded%'"
ANSWER_S = 60
LOG_S = 120  # until rows are in SQL, on a machine that does other things too


def answers_of(url: str, rows: Sequence[Row], *, labels: bool = True) -> list[bytes]:
    """Ask about one transaction after another, and send their labels."""
    with httpx.Client(base_url=url, timeout=30) as client:
        answers = [_kept(client, PATH, transaction(row)) for row in rows]
        if labels:
            known = [{"transaction_id": row[0], "is_fraud": row[5]} for row in rows]
            _kept(client, "/labels", {"labels": known})
    return answers


def _kept(client: httpx.Client, path: str, body: dict[str, Any]) -> bytes:
    """An answer to something that was recorded. On a machine that stands still for a tenth of a
    second the service says that it could not: then it is asked again, as its guide says."""
    deadline = time.monotonic() + ANSWER_S
    while True:
        answer = client.post(path, json=body)
        if answer.is_success and "not_recorded" not in answer.json().get("degraded", ()):
            return answer.content
        assert answer.status_code in (200, 503), answer.text
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.05)


def decided(answer: bytes) -> dict[str, Any]:
    """An answer without the names of its request and of its model, which differ."""
    content: dict[str, Any] = json.loads(answer)
    return {name: content[name] for name in content if name not in ("request_id", "model")}


def answered_by(url: str) -> int:
    """How many transactions a service has answered, by its metrics."""
    told = httpx.get(f"{url}/metrics", timeout=30).text
    (count,) = re.findall(rf'fraud_answers_total{{endpoint="{PATH}",status="200"}} (\S+)', told)
    return int(float(count))


def await_log(side: Side, rows: int) -> None:
    """Wait until SQL has so many answers that were kept, and as many labels."""
    engine = sa.create_engine(side.database, poolclass=sa.NullPool)

    def are_there() -> bool:
        with suppress(sa.exc.DatabaseError), engine.connect() as connection:
            counts = [f"SELECT count(*) FROM {table}" for table in (RECORDED, "fraud_labels")]
            return all(connection.scalar(sa.text(count)) == rows for count in counts)
        return False

    wait_until(are_there, LOG_S)


def kill(server: "Popen[bytes]") -> None:
    """As when its machine dies: with all that it has started."""
    for process in (
        *psutil.Process(server.pid).children(recursive=True),
        psutil.Process(server.pid),
    ):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    server.wait()
