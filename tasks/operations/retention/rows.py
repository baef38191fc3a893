"""Old rows in SQL, deleted in portions, so that nobody waits long for their end."""

from collections.abc import Callable

import sqlalchemy as sa

from services.fraud.log.tables import FRAUD_BATCHES, FRAUD_LABELS, FRAUD_PREDICTIONS
from services.storage.database import Database
from tasks.operations.retention.kind import Found, Gone, Place

PORTION = 5_000


def old_answers(place: Place) -> list[Found]:
    """Answers, batches and labels of the fraud service, but for those that are held."""
    return [
        _old_rows(place, "answers", FRAUD_PREDICTIONS, _answers),
        _old_rows(place, "labels", FRAUD_LABELS, _labels),
        _old_rows(place, "batches", FRAUD_BATCHES, _batches),
    ]


def _answers(place: Place) -> sa.ColumnElement[bool]:
    answer, held = FRAUD_PREDICTIONS.c, place.holds.of("transaction")
    return sa.and_(
        answer.answered_at < place.before(place.rules.answers_days),
        answer.request_id.not_in(held),
        sa.or_(answer.transaction_id.is_(None), answer.transaction_id.not_in(held)),
    )


def _labels(place: Place) -> sa.ColumnElement[bool]:
    label, held = FRAUD_LABELS.c, place.holds.of("transaction")
    until = place.before(place.rules.answers_days)
    return sa.and_(label.received_at < until, label.transaction_id.not_in(held))


def _batches(place: Place) -> sa.ColumnElement[bool]:
    batch = FRAUD_BATCHES.c
    return sa.and_(
        batch.answered_at < place.before(place.rules.answers_days),
        batch.request_id.not_in(place.holds.of("transaction")),
        *(sa.not_(batch.body_digest.startswith(d)) for d in place.holds.of("digest")),
    )


def _old_rows(
    place: Place, kind: str, table: sa.Table, old: Callable[[Place], sa.ColumnElement[bool]]
) -> Found:
    database = Database(place.url)
    count = sa.select(sa.func.count()).select_from(table)
    with database.transaction(writes=False) as connection:
        is_there = sa.inspect(connection).has_table(table.name)
        there = connection.execute(count).scalar_one() if is_there else 0
        goes = connection.execute(count.where(old(place))).scalar_one() if is_there else 0

    def delete() -> Gone:
        if not goes:
            return Gone(0, None)
        return Gone(delete_in_portions(place.url, table, lambda: old(place.now_held())), None)

    return Found(kind, there, goes, None, delete)


def delete_in_portions(
    url: str, table: sa.Table, condition: Callable[[], sa.ColumnElement[bool]]
) -> int:
    """Delete rows, a transaction for each portion of them; how many.

    condition: which rows go; asked before each portion.
    """
    database, key, deleted = Database(url), list(table.primary_key), 0
    while True:
        portion = sa.select(*key).where(condition()).limit(PORTION)
        among = sa.tuple_(*key).in_(portion) if len(key) > 1 else key[0].in_(portion)
        with database.transaction(writes=True) as connection:
            if not sa.inspect(connection).has_table(table.name):
                return deleted
            count = connection.execute(sa.delete(table).where(among)).rowcount
        if not count:
            return deleted
        deleted += count
