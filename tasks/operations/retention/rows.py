"""Old rows in SQL, deleted in portions, so that nobody waits long for their end."""

from functools import partial

import sqlalchemy as sa

from services.fraud.log.tables import FRAUD_BATCHES, FRAUD_LABELS, FRAUD_PREDICTIONS
from services.storage.database import Database
from tasks.operations.retention.kind import Found, Place

PORTION = 5_000


def old_answers(place: Place) -> list[Found]:
    """Answers, batches and labels of the fraud service, but for those that are held."""
    until = place.before(place.rules.answers_days)
    held = place.holds.of("transaction")
    answer, label, batch = FRAUD_PREDICTIONS.c, FRAUD_LABELS.c, FRAUD_BATCHES.c
    return [
        _old_rows(
            place,
            "answers",
            FRAUD_PREDICTIONS,
            answer.answered_at < until,
            answer.request_id.not_in(held),
            sa.or_(answer.transaction_id.is_(None), answer.transaction_id.not_in(held)),
        ),
        _old_rows(
            place,
            "labels",
            FRAUD_LABELS,
            label.received_at < until,
            label.transaction_id.not_in(held),
        ),
        _old_rows(
            place,
            "batches",
            FRAUD_BATCHES,
            batch.answered_at < until,
            batch.request_id.not_in(held),
            *(sa.not_(batch.body_digest.startswith(d)) for d in place.holds.of("digest")),
        ),
    ]


def _old_rows(
    place: Place, kind: str, table: sa.Table, *conditions: sa.ColumnElement[bool]
) -> Found:
    old, database = sa.and_(*conditions), Database(place.url)
    count = sa.select(sa.func.count()).select_from(table)
    with database.transaction(writes=False) as connection:
        is_there = sa.inspect(connection).has_table(table.name)
        there = connection.execute(count).scalar_one() if is_there else 0
        goes = connection.execute(count.where(old)).scalar_one() if is_there else 0
    delete = partial(delete_in_portions, place.url, table, old)
    return Found(kind, there, goes, None, delete if goes else lambda: None)


def delete_in_portions(url: str, table: sa.Table, condition: sa.ColumnElement[bool]) -> None:
    """Delete rows, a transaction for each portion of them."""
    database, key = Database(url), list(table.primary_key)
    portion = sa.select(*key).where(condition).limit(PORTION)
    among = sa.tuple_(*key).in_(portion) if len(key) > 1 else key[0].in_(portion)
    while True:
        with database.transaction(writes=True) as connection:
            if not sa.inspect(connection).has_table(table.name):
                return
            if not connection.execute(sa.delete(table).where(among)).rowcount:
                return
