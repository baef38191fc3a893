"""Origins of the real-time panel: an answer, a batch, an audit, and the model behind them."""

from collections.abc import Iterator
from functools import partial

import sqlalchemy as sa

from services.fraud.errors import ModelError
from services.fraud.log.tables import (
    FRAUD_BATCHES,
    FRAUD_DAILY_METRICS,
    FRAUD_LABELS,
    FRAUD_PREDICTIONS,
)
from tasks.operations.lineage.models import Model, fraud_models
from tasks.operations.lineage.node import SHORTEST_PREFIX, Match, Node, fits, unknown
from tasks.operations.records import Records, Row

ANSWERS, BATCHES, LABELS = FRAUD_PREDICTIONS.c, FRAUD_BATCHES.c, FRAUD_LABELS.c
AUDITS = FRAUD_DAILY_METRICS.c
NEVER = "the service does not write down its own version; the model's is below"


def find_answers(records: Records, asked: str) -> Iterator[Match]:
    """Answers with that request id, or about that transaction, and batches; the newest first."""
    newest = (ANSWERS.answered_at.desc(),)
    for column in (ANSWERS.request_id, ANSWERS.transaction_id):
        for row in records.rows(FRAUD_PREDICTIONS, column == asked, order=newest):
            yield _answer_match(records, row)
    for row in records.rows(FRAUD_BATCHES, BATCHES.request_id == asked):
        yield _batch_match(records, row, True)


def find_by_digest(records: Records, asked: str) -> Iterator[Match]:
    """Answers whose request id begins so, and batches with such a body; reads whole tables."""
    if len(asked) < SHORTEST_PREFIX:
        return
    begins = asked.lower()
    like = ANSWERS.request_id.startswith(begins, autoescape=True)
    for row in records.rows(FRAUD_PREDICTIONS, like):
        if fits(begins, row["request_id"]) is False:
            yield _answer_match(records, row, is_whole=False)
    of_body = BATCHES.body_digest.startswith(begins, autoescape=True)
    for row in records.rows(FRAUD_BATCHES, of_body):
        yield _batch_match(records, row, row["body_digest"] == begins)


def find_audits(records: Records, asked: str) -> Iterator[Match]:
    """Audit runs with that id."""
    if len(asked) < SHORTEST_PREFIX:
        return
    begins = AUDITS.run_id.startswith(asked.lower(), autoescape=True)
    rows = records.rows(FRAUD_DAILY_METRICS, begins, order=(AUDITS.day.desc(),), limit=500)
    for run_id in dict.fromkeys(row["run_id"] for row in rows):
        mine = [row for row in rows if row["run_id"] == run_id]
        what = f"audit of {mine[-1]['day']} to {mine[0]['day']}"
        opened = partial(_audit_node, records, run_id, mine)
        yield Match("audit", run_id, what, run_id == asked.lower(), opened)


def find_models(records: Records, asked: str) -> Iterator[Match]:
    """Models with that tag, digest, or training run."""
    for model in fraud_models(records):
        if (whole := fits(asked, *model.ids)) is not None:
            yield Match(
                "model", model.id, "fraud model", whole, partial(model_node, records, model)
            )


def model_node(records: Records, model: Model) -> Node:
    """A model with what came of it."""
    mine = ANSWERS.model == model.id
    (count,) = records.one(FRAUD_PREDICTIONS, sa.func.count(), where=mine)
    (shadowed,) = records.one(
        FRAUD_PREDICTIONS, sa.func.count(), where=ANSWERS.shadow_model == model.id
    )
    (batches,) = records.one(FRAUD_BATCHES, sa.func.count(), where=BATCHES.model == model.id)
    order = (ANSWERS.answered_at.desc(),)
    newest = records.rows(FRAUD_PREDICTIONS, mine, order=order, limit=3)
    also = {
        "answers": count,
        "answers as shadow": shadowed,
        "batches": batches,
        "newest": [f"{row['request_id']}: {row['answered_at'].isoformat()}" for row in newest],
    }
    return model.node(also, role=_role(records, model.id))


def _role(records: Records, tag: str) -> str:
    try:
        standing = records.fraud_models.registry().read()
    except ModelError as error:
        return f"unknown: {error}"
    if tag in standing.previous:
        return "earlier champion"
    role = standing.role(tag)
    return f"{role} ({standing.reason})" if role == "champion" and standing.reason else role


def _answer_match(records: Records, row: Row, is_whole: bool = True) -> Match:
    verdict = "fraud" if row["is_fraud"] else "genuine"
    subject = f"transaction {row['transaction_id']}" if row["transaction_id"] else row["endpoint"]
    what = f"{subject}: {verdict}, answered {row['answered_at']:%Y-%m-%d %H:%M:%S} UTC"
    opened = partial(_answer_node, records, row)
    return Match("answer", row["request_id"], what, is_whole, opened)


def _answer_node(records: Records, row: Row) -> Node:
    shown = ("endpoint", "transaction_id", "customer_id", "terminal_id", "amount", "probability")
    facts = {name.replace("_", " "): row[name] for name in shown}
    facts |= {
        "threshold": row["threshold"],
        "is fraud": row["is_fraud"],
        "label": _label(records, row["transaction_id"]),
        "answered at": row["answered_at"].isoformat(),
        "degraded": row["degraded"],
        "state": f"{row['state_age_s']:,.0f} s old" if row["state_age_s"] is not None else None,
        "shadow": row["shadow_model"],
    }
    made = (_model_of(records, row["model"]), unknown("service code", NEVER))
    return Node("answer", row["request_id"], facts, made)


def _label(records: Records, transaction_id: str | None) -> str | None:
    """What the transaction has turned out to be."""
    if transaction_id is None:
        return None
    found = records.rows(FRAUD_LABELS, LABELS.transaction_id == transaction_id, limit=1)
    if not found:
        return "not known yet"
    return "fraud" if found[0]["is_fraud"] else "genuine"


def _batch_match(records: Records, row: Row, is_whole: bool) -> Match:
    what = f"{row['rows']:,} rows, {row['flagged']:,} flagged"
    opened = partial(_batch_node, records, row)
    return Match("batch", row["request_id"], what, is_whole, opened)


def _batch_node(records: Records, row: Row) -> Node:
    facts = {name: row[name] for name in ("rows", "rejected", "flagged")}
    facts |= {"answered at": row["answered_at"].isoformat(), "body digest": row["body_digest"]}
    return Node("batch", row["request_id"], facts, (_model_of(records, row["model"]),))


def _audit_node(records: Records, run_id: str, rows: list[Row]) -> Node:
    answered = [row for row in rows if row["role"] == "answered"]
    facts = {
        "flow": "audit-fraud",
        "days": f"{rows[-1]['day']} to {rows[0]['day']}",
        "answers": sum(row["answers"] for row in answered),
    }
    reports = sorted((records.home / "fraud" / "reports").glob(f"*-{run_id[:8]}.html"))
    facts["report"] = str(reports[-1]) if reports else None
    tags = dict.fromkeys(row["model"] for row in rows)
    return Node("audit run", run_id, facts, tuple(_model_of(records, tag) for tag in tags))


def _model_of(records: Records, tag: str) -> Node:
    known = {model.id: model for model in fraud_models(records)}
    gone = Model("fraud", tag, tag, frozenset((tag,)))
    return model_node(records, known.get(tag, gone))
