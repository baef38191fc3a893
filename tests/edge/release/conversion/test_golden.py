"""Golden pictures: few, clear, lossless, and with what the model finds in them."""

import hashlib

import numpy as np

from edge.release.conversion.golden import MAX_SIDE, choose, shrink, write_golden
from edge.release.datasets.pictures import read_image
from tests.edge.release.cells import detection

BOX = (1.0, 2.0, 11.123456, 12.0)


def picture(value: int, height: int = 20, width: int = 30) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def answers(found):
    """A detector that tells pictures apart by their grey."""
    return lambda frame: found[int(frame[0, 0, 0])]


def greys(pictures) -> list[int]:
    return [int(each[0, 0, 0]) for each in pictures]


def test_pictures_with_new_labels_come_first():
    """Together they show as many labels as can be had."""
    detect = answers(
        {
            1: [detection("red", 0.9, BOX)] * 3,
            2: [detection("red", 0.9, BOX)] * 2,
            3: [detection("blue", 0.9, BOX)],
        }
    )

    chosen = choose([picture(k) for k in (1, 2, 3)], detect, lambda _: 0.5)

    assert greys(chosen) == [1, 3, 2]


def test_doubtful_pictures_come_last():
    """What lies near its threshold comes out otherwise on another runtime."""
    detect = answers(
        {
            1: [detection("red", 0.9, BOX), detection("blue", 0.52, BOX)],
            2: [detection("red", 0.9, BOX)],
            3: [],
        }
    )

    chosen = choose([picture(k) for k in (1, 2, 3)], detect, lambda _: 0.5)

    assert greys(chosen) == [2, 1, 3]


def test_thresholds_of_labels_decide_what_is_doubtful():
    """Each label has its own."""
    detect = answers({1: [detection("red", 0.9, BOX)], 2: [detection("blue", 0.9, BOX)]})

    pictures = [picture(k) for k in (1, 2)]
    chosen = choose(pictures, detect, lambda label: 0.85 if label == "red" else 0.3)

    assert greys(chosen) == [2, 1]


def test_no_more_are_chosen_than_travel_well():
    """Of many alike, the first ones."""
    detect = answers({k: [detection("red", 0.9, BOX)] for k in range(9)})

    assert greys(choose([picture(k) for k in range(9)], detect, lambda _: 0.5)) == [0, 1, 2, 3]


def test_large_pictures_are_shrunk_and_small_ones_stay():
    """A release is downloaded over any link."""
    assert shrink(picture(0, 480, 2 * MAX_SIDE)).shape == (240, MAX_SIDE, 3)
    small = picture(0)
    assert shrink(small) is small


def test_files_are_lossless_and_as_the_manifest_says(tmp_path):
    """Digest, size and content."""
    noise = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)

    (golden,) = write_golden([noise], lambda _: [detection("red", 0.87654321, BOX)], tmp_path)

    content = (tmp_path / golden.file).read_bytes()
    assert (golden.sha256, golden.size) == (hashlib.sha256(content).hexdigest(), len(content))
    assert np.array_equal(read_image(tmp_path / golden.file), noise)
    (found,) = golden.detections
    assert (found.label, found.score, found.box) == ("red", 0.8765, (1.0, 2.0, 11.12, 12.0))
