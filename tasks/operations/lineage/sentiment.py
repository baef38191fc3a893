"""Origins of the batch panel: a review's row, the run that scored it, the model that was used."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import sqlalchemy as sa

from tasks.operations.lineage.models import Model, sentiment_models
from tasks.operations.lineage.night_records import remembered_night, remembered_nights
from tasks.operations.lineage.node import SHORTEST_PREFIX, Match, Node, fits, unknown
from tasks.operations.records import Records, Row
from tasks.sentiment.run.run_folder import RunFolder
from tasks.sentiment.sql.tables import (
    REJECTED_REVIEWS,
    REVIEW_SENTIMENT,
    SENTIMENT_RUNS,
    SENTIMENT_SOURCES,
)

REVIEWS, RUNS, REJECTED = REVIEW_SENTIMENT.c, SENTIMENT_RUNS.c, REJECTED_REVIEWS.c
EARLIER = "the run is of a version that did not write it down"


def find_reviews(records: Records, asked: str) -> Iterator[Match]:
    """Rows whose id, or SOURCE/ID, it is: scored or rejected ones."""
    sources = _sources(records)
    keys = [(source, asked) for source in sources]
    keys += [
        (source, asked.removeprefix(f"{source}/"))
        for source in sources
        if asked.startswith(f"{source}/")
    ]
    for source, review_id in keys:
        mine = REVIEWS.source == source, REVIEWS.review_id == review_id
        for row in records.rows(REVIEW_SENTIMENT, *mine, limit=1):
            yield _review_match(records, row)
    for source, review_id in keys:
        here = REJECTED.source == source, REJECTED.review_id == review_id
        newest = (REJECTED.run_date.desc(),)
        for row in records.rows(REJECTED_REVIEWS, *here, order=newest, limit=5):
            what = f"rejected on {row['run_date']}: {row['reason']}"
            key = f"{source}/{review_id}"
            yield Match("review", key, what, True, partial(_rejected_node, records, row))


def find_by_digest(records: Records, asked: str) -> Iterator[Match]:
    """Rows whose text or id has a digest that begins so; reads the whole table."""
    if len(asked) < SHORTEST_PREFIX or asked.strip("0123456789abcdefABCDEF-"):
        return
    begins = asked.lower()
    like = sa.or_(
        REVIEWS.text_digest.startswith(begins, autoescape=True),
        REVIEWS.review_id.startswith(begins, autoescape=True),
    )
    for row in records.rows(REVIEW_SENTIMENT, like):
        if fits(begins, row["text_digest"], row["review_id"].partition("-")[0]) is not None:
            yield _review_match(records, row, is_whole=begins == row["text_digest"])


def find_nights(records: Records, asked: str) -> Iterator[Match]:
    """Runs with that id, or of which one of the digests begins so."""
    if len(asked) >= SHORTEST_PREFIX:
        begins = RUNS.run_id.startswith(asked.lower(), autoescape=True)
        for row in records.rows(SENTIMENT_RUNS, begins):
            yield _night_match(records, row, row["run_id"] == asked.lower())
        folder = records.home / "sentiment" / "scores"
        for day in sorted(folder.glob("run_date=*"), reverse=True):
            entries = records.night_manifests(day.name.removeprefix("run_date="))
            yield from _nights_that_read(records, asked, entries.values())
        yield from _nights_that_read(records, asked, remembered_nights(records.home))


def _nights_that_read(
    records: Records, asked: str, entries: Iterable[Mapping[str, Any]]
) -> Iterator[Match]:
    for entry in entries:
        whole = fits(asked, entry.get("content_digest"), entry.get("fingerprint"))
        mine = RUNS.run_id == entry.get("run_id")
        for row in records.rows(SENTIMENT_RUNS, mine) if whole is not None else ():
            yield _night_match(records, row, bool(whole))


def find_models(records: Records, asked: str) -> Iterator[Match]:
    """Models with that name, digest or training run."""
    known = {model.id: model for model in sentiment_models(records)}
    for row in _used_models(records):
        if row["model_digest"] not in known:
            known[row["model_digest"]] = _stranger(row["model"], row["model_digest"])
    for model in known.values():
        if (whole := fits(asked, *model.ids)) is not None:
            what = f"sentiment model {model.name}"
            yield Match("model", model.id, what, whole, partial(model_node, records, model))


def model_node(records: Records, model: Model) -> Node:
    """A model with what came of it."""
    mine = RUNS.model_digest == model.id
    count, scored = records.one(
        SENTIMENT_RUNS, sa.func.count(), sa.func.sum(RUNS.scored), where=mine
    )
    newest = records.rows(SENTIMENT_RUNS, mine, order=(RUNS.started_at.desc(),), limit=3)
    also = {
        "runs": count,
        "rows scored": int(scored or 0),
        "newest": [f"{row['run_id']}: {row['source']} of {row['run_date']}" for row in newest],
    }
    return model.node(also)


def _review_match(records: Records, row: Row, is_whole: bool = True) -> Match:
    what = f"{row['label']} {row['score']:.4f}, scored on {row['run_date']}"
    key = f"{row['source']}/{row['review_id']}"
    return Match("review", key, what, is_whole, partial(_review_node, records, row))


def _review_node(records: Records, row: Row) -> Node:
    names = ("label", "score", "positive_probability", "neutral_probability", "text_digest")
    facts = {"source": row["source"], **{name.replace("_", " "): row[name] for name in names}}
    facts |= {"scored at": row["scored_at"].isoformat()}
    made = (_night_of(records, row), _model_of(records, row))
    return Node("review", row["review_id"], facts, made)


def _rejected_node(records: Records, row: Row) -> Node:
    names = ("source", "reason", "file", "row_number", "excerpt")
    facts = {name.replace("_", " "): row[name] for name in names}
    return Node("rejected row", row["review_id"], facts, (_night_of(records, row),))


def _night_match(records: Records, row: Row, is_whole: bool) -> Match:
    what = f"{row['source']} of {row['run_date']}: {row['status']}, {row['scored']:,} scored"
    return Match("night", row["run_id"], what, is_whole, partial(_night_tree, records, row))


def _night_tree(records: Records, row: Row) -> Node:
    node = _night_node(records, row)
    return Node(node.kind, node.id, node.facts, (*node.made_by, _model_of(records, row)), node.also)


def _night_of(records: Records, row: Row) -> Node:
    found = records.rows(SENTIMENT_RUNS, RUNS.run_id == row["run_id"], limit=1)
    if found:
        return _night_node(records, found[0])
    return Node("scoring run", row["run_id"], {"run date": str(row["run_date"])})


def _night_node(records: Records, row: Row) -> Node:
    published = _entry(records, row)
    entry = published or remembered_night(records.home, row["run_id"])
    folder = RunFolder(records.home, row["source"], row["run_date"])
    report, url = folder.report(row["run_id"]), records.settings.scores_url
    facts = {
        "flow": "score-sentiment",
        "run date": str(row["run_date"]),
        "status": row["status"],
        "started at": row["started_at"].isoformat(),
        "rows": {name: row[name] for name in ("scored", "reused", "rejected")},
        "precision": row["precision"],
        "Parquet": str(folder.scores) if published else None,
        "in the bucket": f"{url}/scores/{folder.scores.name}" if published and url else None,
        "report": str(report) if report.exists() else None,
    }
    code = row["code_version"] or entry.get("code_version")
    written = Node("code", code) if code else unknown("code", EARLIER)
    return Node("scoring run", row["run_id"], facts, (_input_node(records, row, entry), written))


def _input_node(records: Records, row: Row, entry: Mapping[str, Any]) -> Node:
    request = entry.get("request") or {}
    digest = entry.get("content_digest")
    origins = records.rows(SENTIMENT_SOURCES, SENTIMENT_SOURCES.c.source == row["source"], limit=1)
    place = entry.get("origin") or (origins[0]["origin"] if origins else None)
    facts = {"source": row["source"], "from": place, "asked as": request.get("source")}
    if digest:
        return Node("input data", digest, facts)
    why = "the run's files are no longer those of its date" if not entry else EARLIER
    return Node("input data", None, facts, why=why)


def _entry(records: Records, row: Row) -> Mapping[str, Any]:
    """What the published folder says of this run; empty where another run's files lie there."""
    entry = records.night_manifests(row["run_date"]).get(row["source"]) or {}
    return entry if entry.get("run_id") == row["run_id"] else {}


def _model_of(records: Records, row: Row) -> Node:
    digest = row["model_digest"]
    known = {model.id: model for model in sentiment_models(records)}
    return model_node(records, known.get(digest) or _stranger(row["model"], digest))


def _stranger(name: str, digest: str) -> Model:
    """A model that left no card: of the hub, or of a folder that is gone."""
    return Model("sentiment", digest, name, frozenset((digest, name)))


def _used_models(records: Records) -> list[Row]:
    newest = (RUNS.started_at.desc(),)
    rows = records.rows(SENTIMENT_RUNS, order=newest, limit=2_000)
    return list({row["model_digest"]: row for row in rows}.values())


def _sources(records: Records) -> list[str]:
    rows = records.rows(SENTIMENT_RUNS, order=(RUNS.started_at.desc(),), limit=2_000)
    return list(dict.fromkeys(row["source"] for row in rows))
