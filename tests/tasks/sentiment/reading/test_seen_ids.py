"""What a run has seen, on disk."""

import tracemalloc

from tasks.sentiment.reading.seen_ids import SeenIds


def test_seen_ids_knows_where_an_id_was_first_seen(tmp_path):
    """Later claims of an id do not move it, in the same file or in another."""
    with SeenIds(tmp_path) as seen:
        assert seen.claim("1", "a.csv", 1) is None
        assert seen.claim("2", "b.csv", 5) is None
        assert seen.claim("2", "a.csv", 9) == ("b.csv", 5)
        assert seen.claim("2", "b.csv", 10) == ("b.csv", 5)
        assert seen.claim("1", "b.csv", 11) == ("a.csv", 1)


def test_seen_ids_counts_occurrences(tmp_path):
    """Each text has its own count, from 1."""
    with SeenIds(tmp_path) as seen:
        assert [seen.count(text) for text in "abaab"] == [1, 1, 2, 3, 2]


def test_seen_ids_begins_anew_and_leaves_nothing(tmp_path):
    """A file left by a killed run is not believed, and none is left behind."""
    (tmp_path / "ledger.sqlite").write_bytes(b"left by a killed run")

    for _ in range(2):
        with SeenIds(tmp_path) as seen:
            assert seen.claim("1", "a.csv", 1) is None

    assert list(tmp_path.iterdir()) == []


def test_seen_ids_memory_does_not_grow_with_the_rows(tmp_path):
    """What it remembers is on disk; Python holds the names of the files only."""

    def peak(rows):
        tracemalloc.start()
        try:
            with SeenIds(tmp_path) as seen:
                for number in range(rows):
                    seen.claim(f"id {number}", "a.csv", number)
                    seen.count(f"text {number}")
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    most = peak(2_000) + 64 * 1024

    # Other threads of this process are counted too, and may come in between: not every time.
    assert any(peak(20_000) < most for _ in range(5))


def test_spelling_of_the_results_is_remembered(tmp_path):
    """The first one noted; an id without one is spelled as it is."""
    with SeenIds(tmp_path) as seen:
        assert seen.spelling("5") == "5"
        seen.keep_spelling("5", "5.0")
        seen.keep_spelling("5", "5.00")

        assert [seen.spelling(review_id) for review_id in ("5", "6")] == ["5.0", "6"]
