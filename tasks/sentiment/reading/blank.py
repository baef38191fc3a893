"""What counts as no text: nothing to be seen, or nothing but a word for "missing".

Only the whole text counts: "None of it worked" is an opinion, "None" is not. "NA" counts as R and
pandas write it, in capitals. Not on the list are words of people ("unknown", "no comment") and
punctuation that may be meant ("...", "?", "!!!").
"""

import re
import unicodedata

_UNSEEN = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})  # controls, marks of format, white space
_UNSEEN_OTHERS = frozenset(  # Unicode's Default_Ignorable_Code_Point beyond these categories
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0"
    "\u2800"  # a Braille cell without dots
    "\ufffc"  # stands for a picture that did not come along
)
_UNSEEN_RANGES = ((0xFE00, 0xFE0F), (0xFFF0, 0xFFF8), (0xE0000, 0xE0FFF))  # variation selectors, …

_DASHES = re.compile("[-_\u2010-\u2015\u2212]+")
_CAPITALS = frozenset({"NA"})
_WORDS = frozenset(
    {
        # programming languages, data frames and databases
        *("nan", "-nan", "none", "null", "nil", "nat", "undefined", "<na>", "<null>", "(null)"),
        *("[null]", "\\n", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan", "[object object]"),
        ".",  # SAS, Stata and SPSS
        # people who must fill in a field
        *("n/a", "n.a.", "n.a", "(none)", "<none>"),
        # errors of spreadsheets
        *("#n/a", "#na", "#n/a n/a", "#name?", "#ref!", "#value!", "#div/0!", "#null!", "#num!"),
        *("#spill!", "#calc!", "#field!", "#blocked!", "#connect!", "#unknown!", "#busy!"),
        *("#getting_data", "#error!", "#nv"),
    }
)
_LONGEST = 64  # characters of a word with whatever invisible ones are about it


def is_blank(text: str, *, keep_null_words: bool = False) -> bool:
    """Whether nothing is to be seen in a text, or it is as a whole a word for "missing".

    Args: keep_null_words: whether such a word is a text like any other.
    """
    if not any(map(_is_visible, text)):
        return True
    return not keep_null_words and len(text) <= _LONGEST and _is_null_word(text)


def _is_visible(character: str) -> bool:
    if unicodedata.category(character) in _UNSEEN or character in _UNSEEN_OTHERS:
        return False
    code = ord(character)
    return not any(first <= code <= last for first, last in _UNSEEN_RANGES)


def _is_null_word(text: str) -> bool:
    plain = text.isascii() and text.isprintable()
    seen = text if plain else "".join(c for c in text if c == " " or _is_visible(c))
    seen = seen.strip()
    return seen in _CAPITALS or seen.casefold() in _WORDS or _DASHES.fullmatch(seen) is not None
