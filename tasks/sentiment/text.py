"""Review text as the model gets it: entities decoded, mark-up removed, white space folded."""

import hashlib
import html
import re

_TAG = re.compile(r"<(?:/?[a-zA-Z][^<>]{0,500}|!--.{0,2000}?--)>", re.DOTALL)
_SPACE = re.compile(r"\s+")


def clean(text: str) -> str:
    """Decode HTML entities, turn tags into spaces, fold white space.

    Entities are decoded twice, since feeds escape twice (`&amp;#34;`). Tags are removed after
    the first decoding only, so that an escaped `&lt;3` stays a heart and not a tag.
    """
    if "&" in text or "<" in text:
        text = html.unescape(_TAG.sub(" ", html.unescape(_TAG.sub(" ", text))))
    return _SPACE.sub(" ", text).strip()


def text_digest(text: str) -> str:
    """The sha256 of a text in UTF-8: equal texts have equal digests on any machine."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def storable(name: str) -> str:
    """A name as tables can hold it: bytes that are not UTF-8 become replacement characters."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
