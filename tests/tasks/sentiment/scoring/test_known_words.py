"""Whether a model knows a word of a text: for each kind of tokenizer, in many scripts."""

import pytest
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

from tasks.sentiment.scoring import known_words
from tasks.sentiment.scoring.known_words import KnownWords
from tasks.sentiment.scoring.model import find_model
from tests.tasks.sentiment.tiny_model import tiny_tokenizer

ENGLISH = [
    "this is a good product and it works well",
    "a terrible film, boring and badly acted",
    "the food was delicious and the service friendly",
] * 20
RUSSIAN = ["это очень хороший товар, спасибо", "ужасный фильм, скучно и плохо"] * 20
CHINESE = [chr(code) for code in range(0x4E00, 0x4E00 + 1200)]

UNKNOWN_TO_ENGLISH = [
    "Очень хороший товар",
    "非常好的产品",
    "我很喜欢这个",
    "すごくいいです",
    "아주 좋아요",
    "منتج رائع جدا",
    "מוצר מצוין",
    "Πολύ καλό",
    "बहुत अच्छा",
    "ดีมาก",
    "🦖🦕",
    "12345",
    "10/10",
    "!!! ...",
    ":-)",
    "x 7 y",
]
KNOWN_TO_ENGLISH = [
    "good",
    "GOOD!!!",
    "очень good товар",
    "产品 good",
    "好good好",
    "🦖 good",
    "10/10 good",
    "it",
]


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return find_model("triptych-sentiment", cache=tmp_path_factory.mktemp("cache")).tokenizer


def word_piece(texts: list[str], alphabet: list[str] | None = None) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=3_000,
        special_tokens=["[UNK]"],
        initial_alphabet=alphabet or [],
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def byte_level(texts: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def unigram(texts: list[str]) -> Tokenizer:
    words = {f"▁{word}" for text in texts for word in text.replace(",", "").split()}
    letters = {letter for word in words for letter in word}
    vocabulary = [("<unk>", 0.0), *((word, -3.0) for word in sorted(words))]
    vocabulary += [(letter, -9.0) for letter in sorted(letters)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return tokenizer


@pytest.mark.parametrize("text", UNKNOWN_TO_ENGLISH)
def test_text_in_another_script_or_without_words_is_unknown(bundled, text):
    """To the bundled model, and to those that have single letters, bytes or nothing for it."""
    assert not KnownWords(bundled).in_text(text)
    assert not KnownWords(tiny_tokenizer()).in_text(text)
    assert not KnownWords(word_piece(ENGLISH)).in_text(text)
    letters = list("оченьхршийтовар非常好产品すごい아주منتجΠολ")
    assert not KnownWords(word_piece(ENGLISH, alphabet=letters)).in_text(text)
    assert not KnownWords(byte_level(ENGLISH)).in_text(text)
    assert not KnownWords(unigram(ENGLISH)).in_text(text)


@pytest.mark.parametrize("text", KNOWN_TO_ENGLISH)
def test_one_known_word_is_enough(bundled, text):
    """Whatever stands around it."""
    assert KnownWords(bundled).in_text(text)
    assert KnownWords(tiny_tokenizer()).in_text(text)
    assert KnownWords(word_piece(ENGLISH)).in_text(text)
    assert KnownWords(byte_level(ENGLISH)).in_text(text)
    assert KnownWords(unigram(ENGLISH)).in_text(text)


@pytest.mark.parametrize("text", ["Overpriced.", "meh", "goooood", "Ausgezeichnet", "tres bien"])
def test_words_in_the_letters_of_the_model_are_taken_for_known(bundled, text):
    """Rare words and spellings are read in pieces; so are languages in the same letters."""
    assert KnownWords(bundled).in_text(text)


@pytest.mark.parametrize(
    ("text", "known"), [("😍😍", True), ("👍🏻", True), ("❤️", True), ("🦖", False)]
)
def test_emoji_is_known_to_a_model_that_has_learnt_it(bundled, text, known):
    """It has a token of its own then, and says more than many a word."""
    assert KnownWords(bundled).in_text(text) is known


@pytest.mark.parametrize("make", [word_piece, byte_level, unigram])
def test_model_of_two_languages_knows_both(make):
    """Nothing depends on which script is whose."""
    known = KnownWords(make(ENGLISH + RUSSIAN))
    assert known.in_text("Очень хороший товар")
    assert known.in_text("good product")
    assert not known.in_text("Πολύ καλό")


def test_chinese_characters_are_words_to_a_chinese_model():
    """A thousand of them make one; a few that crept in do not."""
    chinese = KnownWords(word_piece(["".join(CHINESE)], alphabet=CHINESE))
    crept_in = KnownWords(word_piece(ENGLISH, alphabet=CHINESE[:300]))
    assert chinese.in_text(CHINESE[7] + CHINESE[5])
    assert not chinese.in_text("\u9f8d")  # not among the twelve hundred
    assert not crept_in.in_text(CHINESE[7] + CHINESE[5])


def test_model_that_reads_letters_knows_words_of_its_letters():
    """Its vocabulary has nothing longer."""
    letters = {letter: i for i, letter in enumerate(["[UNK]", *"abcdefghijklmnopqrstuvwxyz "])}
    tokenizer = Tokenizer(models.WordLevel(letters, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    assert KnownWords(tokenizer).in_text("good")
    assert not KnownWords(tokenizer).in_text("товар")


def test_memory_of_words_is_bounded(bundled, monkeypatch):
    """A run of other scripts has millions of different words."""
    monkeypatch.setattr(known_words, "REMEMBERED", 3)
    known = KnownWords(bundled)
    assert not known.in_text(" ".join("абвгдежзик"))
    assert len(known._known) <= 3
    assert known.in_text("good")
