"""Promises of the judgement of a stream: values in, verdicts out."""

import numpy as np
import pytest
from edge_detector.capture.health import Backoff, Patience, StreamHealth

from tests.edge.device.captures import picture

PATIENCE = Patience()


def begin(patience=PATIENCE):
    health = StreamHealth(patience)
    health.opened(0.0)
    return health


def uniform(*colour):
    return np.full((48, 64, 3), colour, np.uint8)


def test_health_takes_changing_pictures_as_well():
    """A camera that works is never reopened, and after a while it counts as steady."""
    health = begin()

    verdicts = [health.see(picture(number), number / 30) for number in range(600)]

    assert all(verdict.usable and verdict.fault is None for verdict in verdicts)
    assert not verdicts[0].steady
    assert verdicts[-1].steady


def test_health_bears_a_few_failed_reads():
    """One bad frame is no reason to leave a stream; as many as `failures` in a row are."""
    health = begin()

    few = [health.see(None, 0.0) for _ in range(PATIENCE.failures - 1)]
    health.see(picture(), 0.1)
    many = [health.see(None, 0.2) for _ in range(PATIENCE.failures)]

    assert [verdict.fault for verdict in few + many[:-1]] == [None] * (len(few) + len(many) - 1)
    assert many[-1].fault == "it gives no more pictures"


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(uniform(0, 0, 0), id="black"),
        pytest.param(uniform(128, 128, 128), id="grey"),
        pytest.param(uniform(0, 135, 0), id="green"),
        pytest.param(picture(1)[:24], id="half-the-height"),
        pytest.param(picture(1)[:, :, 0], id="without-colours"),
        pytest.param(picture(1).astype(np.float32), id="not-bytes"),
        pytest.param(np.zeros((0, 0, 3), np.uint8), id="empty"),
        pytest.param("no picture", id="a-text"),
    ],
)
def test_health_passes_no_garbage_on(garbage):
    """Garbage is never looked at by the model, and a stream of nothing else is left."""
    health = begin()
    health.see(picture(), 0.0)

    first = health.see(garbage, 1.0)
    last = health.see(garbage, 1.0 + PATIENCE.garbage_s)
    well = health.see(picture(2), 5.0)

    assert not first.usable and first.fault is None
    assert not last.usable and last.fault is not None and "garbage" in last.fault
    assert well.usable


def test_health_sees_a_picture_of_which_the_lower_part_is_missing():
    """A decoder fills what has not come with green: such a picture is not used."""
    torn = picture(1)
    torn[30:] = (0, 135, 0)

    assert not begin().see(torn, 0.0).usable


def test_health_takes_a_green_floor_for_what_it_is():
    """Green that varies, as all that a camera sees does, is a picture."""
    lawn = picture(1)
    lawn[30:] = (0, 110, 0)
    lawn[30:, :, 1] += np.arange(64, dtype=np.uint8)

    assert begin().see(lawn, 0.0).usable


def test_health_notices_one_picture_repeated():
    """A frozen camera is noticed after `frozen_s`, not before; its picture stays usable."""
    health = begin()

    verdicts = [health.see(picture(), second / 2) for second in range(21)]

    assert all(verdict.usable for verdict in verdicts)
    assert [verdict.fault for verdict in verdicts[:-1]] == [None] * 20
    assert verdicts[-1].fault == "its picture has not changed for 10 s"


def test_health_learns_that_a_picture_never_changes():
    """A drawn picture, the same after each opening, is left more and more rarely."""
    health, now, waits = begin(), 0.0, []
    for _ in range(9):
        health.opened(now)
        began = now
        while health.see(picture(), now).fault is None:
            now += 1.0
        waits.append(now - began)

    assert waits == [10, 20, 40, 80, 160, 320, 600, 600, 600]

    health.opened(now)
    health.see(picture(2), now)
    while health.see(picture(2), now).fault is None:
        now += 1.0
    assert now - began < 600 + 600 + 15, "a change makes it as watchful as at first"


def test_health_sees_small_things_move():
    """What moves may be a few pixels high in a picture that else repeats to the last bit."""
    health = begin()
    for second in range(100):
        moved = picture(0, 720, 1280)
        moved[300:312, second : second + 12] = 255

        assert health.see(moved, float(second)).fault is None


def test_health_takes_another_size_after_opening_anew():
    """A camera may come back with another resolution."""
    health = begin()
    health.see(picture(1), 0.0)

    health.opened(1.0)

    assert health.see(picture(2, 96, 128), 1.0).usable


def test_backoff_doubles_up_to_its_longest_with_jitter():
    """Pauses grow, stay below a bound for ever, and differ from device to device."""
    backoff = Backoff(PATIENCE)

    pauses = [backoff.next_s() for _ in range(200)]

    for number, pause in enumerate(pauses):
        middle = min(0.5 * 2**number, 30.0)
        assert 0.75 * middle <= pause <= 1.25 * middle
    assert len(set(pauses[20:])) > 100

    backoff.reset()
    assert backoff.next_s() <= 0.5 * 1.25
