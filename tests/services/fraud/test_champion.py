"""Which model answers, as the registry changes."""

import pytest

from services.fraud import store
from services.fraud.champion import AGAIN_AFTER_S, Champion
from services.fraud.registry import Registry
from tests.services.fraud.running import promoted


@pytest.fixture
def swaps():
    return []


@pytest.fixture
def time():
    """Seconds; a list, so that a test may move them."""
    return [0.0]


@pytest.fixture
def champion(tmp_path, swaps, time):
    return Champion(
        Registry(tmp_path),
        lambda tag: store.folder(tag, tmp_path),
        on_swap=swaps.append,
        clock=lambda: time[0],
    )


def test_nothing_answers_before_there_is_a_champion(champion):
    """An empty registry is no fault."""
    champion.refresh()
    assert (champion.scorer, champion.shadow, champion.fault) == (None, None, None)


def test_champion_and_shadow_are_taken_up_and_left(champion, tmp_path, model_folder, swaps):
    """Promotion, shadow, its end, and rollback, each at the next look."""
    registry, first = Registry(tmp_path), promoted(model_folder, tmp_path)
    champion.refresh()
    same = champion.scorer
    champion.refresh()
    assert champion.scorer is same and same.tag == first

    second = store.save(model_folder, tmp_path)
    registry.shadow(second)
    champion.refresh()
    assert (champion.scorer.tag, champion.shadow.tag) == (first, second)

    registry.promote(second, "better")
    champion.refresh()
    assert (champion.scorer.tag, champion.shadow) == (second, None)

    registry.rollback()
    champion.refresh()
    assert champion.scorer.tag == first
    assert swaps == [True] * len(swaps)


def test_model_that_cannot_be_opened_is_told_and_tried_again(
    champion, tmp_path, model_folder, swaps, time
):
    """The one before goes on; a model whose files come late needs not be named anew."""
    first = promoted(model_folder, tmp_path)
    champion.refresh()
    late = store.save(model_folder, tmp_path)
    folder = store.folder(late, tmp_path)
    folder.rename(tmp_path / "aside")
    Registry(tmp_path).promote(late, "its files are on their way")
    for _ in range(3):
        champion.refresh()
    time[0] += AGAIN_AFTER_S
    champion.refresh()

    assert champion.scorer.tag == first
    assert late in champion.fault
    assert swaps == [True, False]

    (tmp_path / "aside").rename(folder)
    champion.refresh()
    assert champion.scorer.tag == first
    time[0] += AGAIN_AFTER_S
    champion.refresh()
    assert champion.scorer.tag == late
    assert swaps == [True, False, True]


@pytest.mark.parametrize("content", ["{", "[]", '{"champion": 5, "previous": []}', "null"])
def test_damaged_registry_changes_nothing(champion, tmp_path, model_folder, content):
    """Who answers goes on, and the fault is told."""
    first = promoted(model_folder, tmp_path)
    champion.refresh()
    Registry(tmp_path).file.write_text(content)
    champion.refresh()

    assert champion.scorer.tag == first
    assert "damaged" in champion.fault
