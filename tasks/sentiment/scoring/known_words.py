"""Whether a model knows a word of a text at all.

A model answers any text, also one in a language that it has never read. Its vocabulary tells:

- a word is a run of letters, or an emoji; figures and punctuation are no words;
- it is known if the tokenizer has a token for all of it (two letters or more, or an emoji), or
  for three letters or more of it. `[UNK]`, single letters and bytes say nothing;
- each Chinese character is a word of its own, known if it is a token and the vocabulary has a
  thousand of them: those of Chinese models do, and some creep into those of others.

So other scripts are told apart, and languages that share the model's letters are not: pieces
such as `ich` and `tion` are in the vocabulary of any English model. One known word is enough.
"""

import json
import re
import unicodedata
from collections.abc import Iterator

from tokenizers import Tokenizer

WHOLE_LETTERS = 2  # of a word that is one token
PIECE_LETTERS = 3  # of a token that is a part of a word
CHINESE_TOKENS = 1_000
REMEMBERED = 100_000  # words

_ASCII_WORD = re.compile(r"[A-Za-z]{2,}")


class KnownWords:
    """Looks for words of one model; words seen before are looked up, not tokenized."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._unknown_id = _unknown_id(tokenizer)
        vocabulary = tokenizer.get_vocab(with_added_tokens=False)
        self._reads_chinese = (
            sum(any(map(_is_chinese, token)) for token in vocabulary) >= CHINESE_TOKENS
        )
        self._by_letter = not any(map(_has_two_letters, vocabulary))
        self._known: dict[str, bool] = {}

    def in_text(self, text: str) -> bool:
        """Whether a word of a cleaned text is known."""
        # Nearly all texts end here, at their first word.
        if any(self._is_known(match[0]) for match in _ASCII_WORD.finditer(text)):
            return True
        return any(map(self._is_known, _words(text)))

    def _is_known(self, word: str) -> bool:
        known = self._known.get(word)
        if known is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            # Some tokenizers have one token for a word after a space and another one without,
            # and some have none for words in capitals.
            forms = (word, f" {word}", f" {word.lower()}")
            known = self._known[word] = any(map(self._has_token, forms))
        return known

    def _has_token(self, word: str) -> bool:
        encoding = self._tokenizer.encode(word, add_special_tokens=False)
        tokens = list(zip(encoding.ids, encoding.offsets, strict=True))
        return any(
            self._says_something(word, span)
            for token, span in tokens
            if token != self._unknown_id
            # Several tokens for one character are its bytes, or the mark of a word's beginning.
            and encoding.offsets.count(span) == 1
        )

    def _says_something(self, word: str, span: tuple[int, int]) -> bool:
        piece, whole = word[slice(*span)].strip(), word.strip()
        letters = sum(map(_is_letter, piece))
        if not letters:
            return piece == whole != ""  # an emoji
        if letters == 1:
            return self._by_letter or (self._reads_chinese and _is_chinese(piece))
        return letters >= (WHOLE_LETTERS if piece == whole else PIECE_LETTERS)


def _words(text: str) -> Iterator[str]:
    """Runs of letters and the marks on them, and symbols and Chinese characters one by one."""
    word = ""
    for character in text:
        kind = unicodedata.category(character)
        alone = _is_chinese(character) or kind == "So"
        if not alone and (kind.startswith("L") or (word and kind.startswith("M"))):
            word += character
            continue
        if word:
            yield word
        word = ""
        if alone:
            yield character
    if word:
        yield word


def _is_letter(character: str) -> bool:
    return unicodedata.category(character).startswith("L")


def _is_chinese(character: str) -> bool:
    """Of the CJK unified or compatibility ideographs, which all these tokenizers keep apart."""
    code = ord(character)
    return 0x3400 <= code <= 0x9FFF or 0xF900 <= code <= 0xFAFF or 0x20000 <= code <= 0x3FFFF


def _has_two_letters(token: str) -> bool:
    if token.startswith(("[", "<")):  # [UNK], <s>
        return False
    return sum(map(_is_letter, token.removeprefix("##").lstrip("Ġ▁"))) > 1


def _unknown_id(tokenizer: Tokenizer) -> int | None:
    model = json.loads(tokenizer.to_str())["model"]
    if model.get("unk_id") is not None:
        return int(model["unk_id"])
    token = model.get("unk_token")
    return None if token is None else tokenizer.token_to_id(token)
