"""Review text as the model gets it: entities decoded, mark-up removed, white space folded."""

import hashlib
import html
import re

# Elements of HTML, old ones too, and Word's. Other words in angle brackets are the reviewer's own.
_ELEMENTS = (
    "a abbr acronym address area article aside audio b base basefont bdi bdo big blink blockquote"
    " body br button canvas caption center cite code col colgroup data datalist dd del details dfn"
    " dialog dir div dl dt em embed fieldset figcaption figure font footer form frame frameset h1"
    " h2 h3 h4 h5 h6 head header hgroup hr html i iframe img input ins kbd label legend li link"
    " main map mark marquee menu meta meter nav nobr noscript object ol optgroup option output p"
    " param picture pre progress q rp rt ruby s samp script search section select slot small source"
    " span strike strong style sub summary sup svg table tbody td template textarea tfoot th thead"
    " time title tr track tt u ul var video wbr o:p"
)
_TAG = re.compile(
    rf"<(?:/?(?:{'|'.join(_ELEMENTS.split())})(?:\s[^<>=]{{0,100}}=[^<>]{{0,500}}|\s*/?\s*)"
    "|!--.{0,2000}?--)>",
    re.DOTALL | re.IGNORECASE,
)
# White space that an export has written out as \n, \r or \t: several in a row, or one behind a
# sentence or before what is no small letter. C:\new and \nabla are none.
_WRITTEN_SPACE = re.compile(
    r"(?<!\\)(?:(?:\\[nrt]){2,}|(?<=[.!?])\\[nrt]|(?<![:/])\\[nrt](?![a-z\\/]))"
)
# Anything in angle brackets that begins with a letter, as the first rule had it.
_WIDE_TAG = re.compile(r"<(?:/?[a-zA-Z][^<>]{0,500}|!--.{0,2000}?--)>", re.DOTALL)
_SPACE = re.compile(r"\s+")


def clean(text: str) -> str:
    """Decode HTML entities, turn tags and written-out line ends into spaces, fold white space.

    Entities are decoded twice, since feeds escape twice (`&amp;#34;`). Tags are removed after
    the first decoding only, so that an escaped `&lt;3` stays a heart and not a tag.
    """
    text = _without_mark_up(text, _TAG)
    if "\\" in text:
        text = _WRITTEN_SPACE.sub(" ", text)
    return _SPACE.sub(" ", text).strip()


def clean_for_id(text: str) -> str:
    """Clean by the first rule, for the ids that are made from texts, and for nothing else.

    Ids outlive what is thought of as mark-up: a review whose id follows `clean` would be there
    twice in a home that has it by an earlier `clean`. Hence this rule never changes.
    """
    return _SPACE.sub(" ", _without_mark_up(text, _WIDE_TAG)).strip()


def _without_mark_up(text: str, tag: re.Pattern[str]) -> str:
    if "&" in text or "<" in text:
        return html.unescape(tag.sub(" ", html.unescape(tag.sub(" ", text))))
    return text


def text_digest(text: str) -> str:
    """The sha256 of a text in UTF-8: equal texts have equal digests on any machine."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def storable(name: str) -> str:
    """A name as tables can hold it: bytes that are not UTF-8 become replacement characters."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
