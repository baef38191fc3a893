"""Models that have answered or may: each with its card, its training run and its training data.

Known from the records that `model_records` keeps, and where a home is older than these,
from the cards that lie beside the models.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from edge.release.publishing.request import BUNDLED_FOLDER
from services.fraud.errors import ModelsUnavailable
from services.fraud.scoring import store
from services.storage.files import file_digest
from tasks.operations.lineage.model_records import Kind, object_in, read_object, recorded
from tasks.operations.lineage.node import Node, unknown
from tasks.operations.records import Records

BUNDLED_SENTIMENT = Path(__file__).parents[2] / "sentiment" / "models"
ELSEWHERE = "it was trained elsewhere, and its folder has no card"
BUNDLED = "it came with this package, which was built before cards named it"
EARLIER = "it was made by a version that did not write it down"
SHARED = "the home of the machine where it was made has it, and not this one"

T = TypeVar("T")


@dataclass(frozen=True)
class Model:
    """A model: what it is called, and what is known of its making.

    id: by which answers name it. ids: all by which it is found. card: empty where there is none.
    record: empty in a home that is older than these. from_elsewhere: whether it may have been made
    by another machine, which shares it.
    """

    kind: Kind
    id: str
    name: str
    ids: frozenset[str]
    card: Mapping[str, Any] = field(default_factory=dict)
    card_file: str | None = None
    record: Mapping[str, Any] = field(default_factory=dict)
    from_elsewhere: bool = False

    @property
    def is_foreign(self) -> bool:
        """Whether others trained it: then a digest of data in its card is that of an evaluation."""
        if self.kind == "fraud":
            return "registered_from" in self.record or not self.card.get("trained_at")
        return not self.card

    @property
    def data_digest(self) -> str | None:
        """Of the data that it was trained on."""
        if self.is_foreign:
            return None
        data = self.card.get("data")
        inner = data.get("digest") if isinstance(data, Mapping) else None
        return inner or self.card.get("data_digest")

    @property
    def run_id(self) -> str | None:
        """Of the run that trained it, or registered it."""
        return self.record.get("run_id")

    def node(self, also: Mapping[str, Any] | None = None, **facts: Any) -> Node:
        """The model, and all that made it."""
        card, digest = self.card, self.card.get("digest")
        known = {
            "name": self.name if self.name != self.id else None,
            **facts,
            "digest": digest if digest != self.id else None,
            "files": self.record.get("sha256"),
            "card": self.card_file or ("none" if not card else self.record.get("file")),
            "trained at": card.get("trained_at"),
        }
        made = (self._data(), self._training(), self._code(), *self._evaluation())
        return Node("model", self.id, known, made, also or {})

    def _data(self) -> Node:
        if self.data_digest is None:
            return unknown("training data", self._why_no_data())
        return data_node(self.data_digest, [self])

    def _why_no_data(self) -> str:
        if origin := self.record.get("registered_from"):
            return f"the network was trained elsewhere and registered from {origin}"
        if self.kind == "fraud" and self.card:
            return "the network was trained elsewhere and registered"
        if self.card:
            return "its card does not name it"
        if revision := self.record.get("revision"):
            return f"{ELSEWHERE}: {self.name}, revision {revision}"
        return f"{ELSEWHERE}: {self.name}"

    def _why(self) -> str:
        """Why something about its making is not recorded."""
        if self.is_foreign:
            return ELSEWHERE
        if self.from_elsewhere:
            return SHARED
        folders = (str(BUNDLED_SENTIMENT), str(BUNDLED_FOLDER))
        return BUNDLED if str(self.card_file).startswith(folders) else EARLIER

    def _training(self) -> Node:
        if self.run_id is None:
            return unknown("training run", self._why())
        facts = {name: self.record.get(name) for name in ("flow", "recorded_at", "asked")}
        return Node("training run" if not self.is_foreign else "run", self.run_id, facts)

    def _code(self) -> Node:
        code = self.card.get("code_version") or (
            self.record.get("code_version") if self.run_id else None
        )
        if code is None:
            return unknown("code", self._why())
        return Node("code", code)

    def _evaluation(self) -> Iterator[Node]:
        """The data that a foreign model was measured on."""
        if self.kind == "fraud" and self.is_foreign and (digest := self.card.get("data_digest")):
            yield Node("evaluation data", digest, {"from": self.record.get("evaluated_on")})


def data_node(digest: str, models: Iterable[Model]) -> Node:
    """Training data, as far as the cards of the models that learnt from it tell."""
    facts: dict[str, Any] = {}
    for model in models:
        for name, value in _describe_data(model).items():
            if value not in (None, {}, ""):
                facts.setdefault(name, value)
    return Node("training data", digest, facts)


def _describe_data(model: Model) -> dict[str, Any]:
    card = model.card
    if model.kind == "sentiment":
        roles: dict[str, int] = {}
        rows = card.get("data", {}).get("rows", {})
        for counts in rows.values():
            for role, count in counts.items():
                roles[role] = roles.get(role, 0) + count
        return {"from": model.record.get("data"), "data sets": len(rows), "rows": roles}
    if model.kind == "fraud":
        return {"from": model.record.get("data"), "periods": card.get("periods")}
    seed = card.get("recipe", {}).get("seed")
    rendered = str(card.get("data", "")).startswith("rendered")
    return {
        "from": card.get("data"),
        "images": card.get("train_images"),
        "seed": seed if rendered else None,
    }


def sentiment_models(records: Records) -> list[Model]:
    """Those that were trained or used here, and the bundled one."""
    found = {}
    for record in recorded(records.home, "sentiment"):
        card = record.get("card") or {}
        ids = {record["key"], card.get("digest"), record.get("run_id"), record["name"]}
        found[record["key"]] = _model("sentiment", record["key"], record["name"], ids, card, record)
    for folder in (BUNDLED_SENTIMENT, records.home / "models"):
        for file in sorted(folder.glob("*/card.json")):
            card = read_object(file) or {}
            digest, name = card.get("digest"), file.parent.name
            known = found.get(str(digest))
            if isinstance(digest, str) and (known is None or not known.card_file):
                record = known.record if known else {}
                ids = {digest, name, *(known.ids if known else ())}
                found[digest] = _model("sentiment", digest, name, ids, card, record, file)
    return list(found.values())


def fraud_models(records: Records) -> list[Model]:
    """Those of the store, and those that were in it; newest first."""
    found, models = {}, records.fraud_models
    for record in recorded(records.home, "fraud"):
        ids = {record["tag"], record["key"], record.get("source_sha256")}
        ids |= set((record.get("sha256") or {}).values())
        ids.add(record.get("run_id"))
        card = record.get("card") or {}
        found[record["tag"]] = _model("fraud", record["tag"], record["tag"], ids, card, record)
    for tag in _told(records, models.tags) or store.tags(records.home):
        known, file = found.get(tag), store.place(tag, records.home) / store.CARD
        if known is None:
            files = _told(records, models.digests, tag) or {}
            record, ids = {"sha256": files}, {tag, tag.rpartition(":")[2], *files.values()}
        else:
            record, ids = dict(known.record), set(known.ids)
        card = read_card(records, tag) or (known.card if known else {})
        model = _model("fraud", tag, tag, ids, card, record, file if file.is_file() else None)
        found[tag] = replace(model, from_elsewhere=known is None and models.is_shared)
    return sorted(found.values(), key=lambda model: model.id, reverse=True)


def read_card(records: Records, tag: str) -> Mapping[str, Any]:
    """The card of a fraud model; empty where there is none that can be read."""
    try:
        return object_in(_told(records, records.fraud_models.read, tag, store.CARD) or b"") or {}
    except OSError:
        return {}


def _told(records: Records, ask: Callable[..., T | None], *given: str) -> T | None:
    """What is answered; None: the database that models are shared in is away, which is a fault."""
    try:
        return ask(*given)
    except ModelsUnavailable as error:
        if str(error) not in records.faults:
            records.faults.append(str(error))
        return None


def detectors(records: Records) -> list[Model]:
    """Networks that were trained here, and the bundled one, by the digest of their file."""
    found = {}
    for record in recorded(records.home, "detector"):
        ids = {record["key"], record["name"], record.get("run_id")}
        card = record.get("card") or {}
        found[record["key"]] = _model("detector", record["key"], record["name"], ids, card, record)
    trained = sorted((records.home / "detectors").glob("*/model.keras"))
    for file in (BUNDLED_FOLDER / "model.keras", *trained):
        card_file = file.with_name("card.json")
        if not file.is_file() or not (card := read_object(card_file)):
            continue
        try:
            digest = file_digest(file)
        except OSError as error:
            records.faults.append(f"{file}: {error.strerror}")
            continue
        known = found.get(digest)
        ids = {digest, card.get("name"), *(known.ids if known else ())}
        record = known.record if known else {}
        name = str(card.get("name"))
        found[digest] = _model("detector", digest, name, ids, card, record, card_file)
    return list(found.values())


def _model(
    kind: Kind,
    key: str,
    name: str,
    ids: Iterable[str | None],
    card: Mapping[str, Any],
    record: Mapping[str, Any],
    file: Path | None = None,
) -> Model:
    known = frozenset(one for one in ids if one)
    return Model(kind, key, name, known, card, str(file) if file else None, record)
