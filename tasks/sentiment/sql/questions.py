"""What is asked of the tables besides single rows."""

from collections.abc import Iterator

import sqlalchemy as sa

from tasks.sentiment.reading.review_id import identify
from tasks.sentiment.sql.tables import REVIEW_SENTIMENT, SENTIMENT_SOURCES

UUID_CHARACTERS = 36
_NO_PRIVILEGE = "42501"  # a state of PostgreSQL


def create_if_allowed(connection: sa.Connection, table: sa.Table) -> bool:
    """Create a table that is missing; false if the user may not."""
    if sa.inspect(connection).has_table(table.name):
        return True
    try:
        with connection.begin_nested():
            table.create(connection)
    except sa.exc.DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _NO_PRIVILEGE:
            raise
        return False
    return True


def origins(connection: sa.Connection, source: str) -> list[tuple[str, str]]:
    """Key and place of each origin of the source, the first one first."""
    table = SENTIMENT_SOURCES.c
    query = sa.select(table.origin_digest, table.origin).where(table.source == source)
    return [(key, place) for key, place in connection.execute(query.order_by(table.first_seen_at))]


def spellings(connection: sa.Connection, source: str, size: int) -> Iterator[tuple[str, str]]:
    """Ids as `identify` writes them, with the other way in which the source's rows have them.

    Args: size: ids that are asked for at once.
    """
    key = REVIEW_SENTIMENT.c.review_id
    own = REVIEW_SENTIMENT.c.source == source
    odd = sa.select(key).where(own, _may_be_spelled_otherwise(key)).order_by(key)
    streaming = connection.execution_options(yield_per=size)
    for part in streaming.execute(odd).scalars().partitions():
        pairs = [(identify(spelling)[0], spelling) for spelling in part]
        ids = {i: spelling for i, spelling in reversed(pairs) if i and i != spelling}
        there = sa.select(key).where(own, key.in_(list(ids)))
        taken = set(connection.execute(there).scalars())
        yield from ((i, spelling) for i, spelling in ids.items() if i not in taken)


def _may_be_spelled_otherwise(key: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Finds all ids that `identify` would write in another way, and few others."""
    point, exponent, minus = key.like("%.%"), sa.func.lower(key).like("%e+%"), key == "-0"
    uuid = sa.and_(sa.func.length(key) == UUID_CHARACTERS, key != sa.func.lower(key))
    first = sa.func.substr(key, 1, 1)
    number = sa.and_(first.in_(list("-0123456789")), sa.or_(point, exponent, minus))
    return sa.or_(number, uuid)
