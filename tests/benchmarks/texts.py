"""Texts for benchmarks: a file of real reviews, or the demo's, as many as needed, all different."""

import itertools
from collections.abc import Iterator
from pathlib import Path

from tasks.sentiment.reading.source import open_source
from tasks.sentiment.text import clean

DEMO = Path(__file__).parents[2] / "tasks" / "sentiment" / "demo" / "reviews.csv"


def read_texts(file: Path = DEMO, column: str = "review") -> list[str]:
    """All texts of a file that are not blank, cleaned, each once."""
    texts: dict[str, None] = {}
    for row in open_source(str(file)).rows([column]):
        value = row.values[column] if row.values else None
        if isinstance(value, str) and value.isprintable() and (text := clean(value)):
            texts[text] = None
    return list(texts)


def varied_texts(count: int, file: Path = DEMO, column: str = "review") -> Iterator[str]:
    """`count` different texts: the file's, then the same with a number behind, and so on."""
    texts = read_texts(file, column)
    for i in itertools.islice(itertools.count(), count):
        turn, place = divmod(i, len(texts))
        yield f"{texts[place]} {turn}" if turn else texts[place]
