"""Which model answers, as the registry changes."""

import pytest

from services.fraud import store
from services.fraud.champion import Champion
from services.fraud.registry import Registry
from tests.services.fraud.running import promoted


@pytest.fixture
def swaps():
    return []


@pytest.fixture
def champion(tmp_path, swaps):
    return Champion(
        Registry(tmp_path), lambda tag: store.folder(tag, tmp_path), on_swap=swaps.append
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


def test_model_that_cannot_be_opened_is_tried_once_and_told(
    champion, tmp_path, model_folder, swaps
):
    """The one before goes on; named anew after a mend, it is tried again."""
    first = promoted(model_folder, tmp_path)
    champion.refresh()
    Registry(tmp_path).promote("fraud_detector:gone", "by mistake")
    for _ in range(3):
        champion.refresh()

    assert champion.scorer.tag == first
    assert "fraud_detector:gone" in champion.fault
    assert swaps == [True, False]

    Registry(tmp_path).rollback()
    champion.refresh()
    Registry(tmp_path).promote("fraud_detector:gone", "again")
    champion.refresh()
    assert swaps == [True, False, False]


def test_damaged_registry_changes_nothing(champion, tmp_path, model_folder):
    """Who answers goes on, and the fault is told."""
    first = promoted(model_folder, tmp_path)
    champion.refresh()
    Registry(tmp_path).file.write_text("{")
    champion.refresh()

    assert champion.scorer.tag == first
    assert "damaged" in champion.fault
