"""How models stand: which answers, which answered before, and which runs in the shadow; as text."""

import json
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Standing:
    """The models by their tags; `previous` are earlier champions, newest first."""

    champion: str | None = None
    previous: tuple[str, ...] = ()
    shadow: str | None = None
    changed_at: str | None = None  # ISO, UTC
    reason: str = ""
    new_contract: str | None = None  # how the champion's features differ from those before it
    own_features: tuple[str, ...] | None = None  # of the champion; None: not its own, or not noted

    def role(self, tag: str) -> str:
        """What a model is at present: champion, shadow, or a candidate."""
        if tag == self.champion:
            return "champion"
        return "shadow" if tag == self.shadow else "candidate"

    @property
    def named(self) -> tuple[str, ...]:
        """All models that have a role, or had one."""
        return tuple(tag for tag in (self.champion, self.shadow, *self.previous) if tag)

    def text(self) -> str:
        """As it is kept, in JSON."""
        entries = asdict(self)
        for entry in ("new_contract", "own_features"):  # which earlier versions do not know
            if entries[entry] is None:
                del entries[entry]
        return json.dumps(entries, indent=1) + "\n"

    @classmethod
    def from_text(cls, text: str | bytes) -> Self:
        """What `text` gave. Raises: ValueError: it is something else, in words."""
        try:
            return cls._of(json.loads(text))
        except (TypeError, KeyError, RecursionError) as error:
            raise ValueError(str(error)) from error

    @classmethod
    def _of(cls, entries: Any) -> Self:
        """Raises: ValueError, TypeError, KeyError: the entries are of another kind."""
        if not isinstance(entries, dict):
            raise ValueError("not a JSON object")
        own = entries.get("own_features")
        is_list = isinstance(own, list) and all(isinstance(name, str) for name in own)
        if not (own is None or is_list):
            raise ValueError("a feature is not text")
        standing = cls(
            **{
                **entries,
                "previous": tuple(entries["previous"]),
                "own_features": None if own is None else tuple(own),
            }
        )
        texts = (standing.champion, standing.shadow, *standing.previous, standing.new_contract)
        if not all(text is None or isinstance(text, str) for text in texts):
            raise ValueError("a tag is not text")
        return standing
