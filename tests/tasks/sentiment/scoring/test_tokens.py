"""Token ids: what is kept of a text, and how texts become batches."""

import numpy as np

from tasks.sentiment.scoring.tokens import PAD_TO, TokenReader, keep_head_and_tail
from tests.tasks.sentiment.tiny_model import sample_texts, tiny_tokenizer


def test_short_text_is_kept_whole():
    """A text that fits is not cut."""
    tokens = np.arange(8)
    assert keep_head_and_tail(tokens, 8) is tokens


def test_long_text_keeps_a_quarter_of_head_and_the_rest_of_tail():
    """The middle goes, in one piece."""
    assert keep_head_and_tail(np.arange(20), 8).tolist() == [0, 1, 14, 15, 16, 17, 18, 19]


def test_ids_equal_those_of_the_tokenizer():
    """Special tokens are put where the tokenizer puts them."""
    tokenizer, texts = tiny_tokenizer(), [*sample_texts(10), ""]
    ids = TokenReader(tokenizer, 200, 0).read(texts)
    assert [list(i) for i in ids] == [tokenizer.encode(text).ids for text in texts]


def test_ids_of_a_long_text_keep_the_special_tokens():
    """[CLS] and [SEP] frame what is kept of a text longer than the model reads."""
    text = " ".join(["good"] * 10 + ["bad"] * 30)
    (ids,) = TokenReader(tiny_tokenizer(), 18, 0).read([text])
    good, bad = (tiny_tokenizer().token_to_id(word) for word in ("good", "bad"))
    assert ids.tolist() == [2] + [good] * 4 + [bad or 1] * 12 + [3]


def test_batches_hold_every_text_once_within_the_budget():
    """Rows are a permutation, no batch exceeds the budget unless it is one text."""
    reader = TokenReader(tiny_tokenizer(), 48, 0)
    ids = reader.read(sample_texts(100))
    batches = reader.batches(ids, 128)
    assert sorted(row for batch in batches for row in batch.rows) == list(range(100))
    for batch in batches:
        assert batch.ids.size <= 128 or len(batch.rows) == 1
        for row, tokens, length in zip(batch.rows, batch.ids, batch.lengths, strict=True):
            assert tokens[:length].tolist() == ids[row].tolist()
            assert not tokens[length:].any()


def test_padded_length_follows_from_the_text_alone():
    """The same text is padded alike, whatever texts stand beside it."""
    reader = TokenReader(tiny_tokenizer(), 48, 0)
    texts = sample_texts(60)
    together = {
        texts[row]: batch.ids.shape[1]
        for batch in reader.batches(reader.read(texts), 512)
        for row in batch.rows
    }
    for text in texts:
        (batch,) = reader.batches(reader.read([text]), 512)
        assert batch.ids.shape[1] == together[text]
        assert batch.ids.shape[1] - batch.lengths[0] < PAD_TO
