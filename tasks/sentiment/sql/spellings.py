"""Ids that the rows of a source spell in another way than `identify` does by now."""

from collections.abc import Iterator

import sqlalchemy as sa

from tasks.sentiment.reading.review_id import identify
from tasks.sentiment.sql.tables import REVIEW_SENTIMENT

UUID_CHARACTERS = 36
IDS_PER_QUERY = 500  # SQLite takes at most 999 parameters in its older builds


def read_spellings(connection: sa.Connection, source: str) -> Iterator[tuple[str, str]]:
    """Ids as `identify` writes them, with the other way in which the source's rows have them."""
    key = REVIEW_SENTIMENT.c.review_id
    own = REVIEW_SENTIMENT.c.source == source
    odd = sa.select(key).where(own, _may_be_spelled_otherwise(key)).order_by(key)
    streaming = connection.execution_options(yield_per=IDS_PER_QUERY)
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
