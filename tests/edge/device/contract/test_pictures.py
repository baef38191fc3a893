"""The picture in the content of a file: what OpenCV passes over in silence is told."""

import zlib

import cv2
import numpy as np
import pytest
from edge_detector.contract.pictures import PictureError, decode_picture
from numpy.typing import NDArray

RAMP = np.repeat(np.linspace(0, 255, 64).astype(np.uint8)[None, :, None], 48, axis=0).repeat(3, 2)


def encode(image: NDArray[np.uint8] | NDArray[np.uint16], suffix: str = ".png") -> bytes:
    return bytes(cv2.imencode(suffix, image)[1])


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize(("shift", "used"), [(2, 10), (4, 12), (6, 14)])
def test_picture_that_leaves_the_upper_bits_empty_is_as_bright_as_it_was(suffix, shift, used):
    """A camera of 12 bits, kept in 16: OpenCV's upper 8 of them would be nearly black."""
    deep = RAMP.astype(np.uint16) << shift

    picture = decode_picture(encode(deep, suffix))

    assert np.array_equal(picture.image, RAMP)
    (note,) = picture.notes
    assert note == f"it uses {used} of its 16 bits: took {2**used - 1} for white"


@pytest.mark.parametrize("factor", [256, 257])
@pytest.mark.parametrize("brightest", [255, 50])
def test_picture_that_uses_all_16_bits_stays_as_it_is(factor, brightest):
    """Also a dark one that was made of 8 bits."""
    level = np.minimum(RAMP, brightest)

    picture = decode_picture(encode(level.astype(np.uint16) * factor))

    assert np.array_equal(picture.image, level)
    assert picture.notes == ()


def test_dark_picture_of_8_bits_stays_dark():
    picture = decode_picture(encode(RAMP // 8))

    assert np.array_equal(picture.image, RAMP // 8) and picture.notes == ()


def test_further_pages_are_told():
    """The first counts; nobody else would notice the others."""
    _, two = cv2.imencodemulti(".tif", [RAMP, RAMP // 2])

    picture = decode_picture(bytes(two))

    assert np.array_equal(picture.image, RAMP)
    assert picture.notes == ("it has further pages: took the first",)
    assert decode_picture(encode(RAMP, ".tif")).notes == ()


def test_jpeg_whose_second_half_is_lost_is_no_picture():
    """The decoder would fill it up with grey."""
    noise = np.random.default_rng(1).integers(0, 255, (48, 64, 3), np.uint8)
    whole = encode(noise, ".jpg")
    half = len(whole) // 2

    with pytest.raises(PictureError, match="its end is missing"):
        decode_picture(whole[:half] + bytes(half))


@pytest.mark.parametrize("rest", [b"", bytes(100), b"what a phone writes behind it"])
def test_jpeg_is_whole_whatever_follows_it(rest):
    whole = encode(RAMP, ".jpg")

    assert decode_picture(whole + rest).notes == ()


def test_end_of_the_small_picture_within_is_not_that_of_the_file():
    """EXIF data hold a thumbnail, a JPEG of its own."""
    noise = np.random.default_rng(1).integers(0, 255, (48, 64, 3), np.uint8)
    whole, small = encode(noise, ".jpg"), encode(RAMP[::8, ::8], ".jpg")
    segment = b"\xff\xe1" + (len(small) + 2).to_bytes(2) + small
    content = whole[:2] + segment + whole[2:]

    assert decode_picture(content).notes == ()
    with pytest.raises(PictureError, match="its end is missing"):
        decode_picture(content[: len(content) // 2] + bytes(len(content) // 2))


def test_picture_that_is_too_large_is_no_crash():
    """A compressed page of a billion pixels is a file of a few kilobytes."""
    size = (40_000).to_bytes(4) + (30_000).to_bytes(4)
    chunks = [b"IHDR" + size + bytes([1, 0, 0, 0, 0]), b"IDAT" + zlib.compress(bytes(64)), b"IEND"]
    framed = [
        (len(chunk) - 4).to_bytes(4) + chunk + zlib.crc32(chunk).to_bytes(4) for chunk in chunks
    ]

    with pytest.raises(PictureError, match="it is too large to be read"):
        decode_picture(b"\x89PNG\r\n\x1a\n" + b"".join(framed))


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "no content"), (b"GIF8", "GIF"), (b"x", "^$")]
)
def test_what_is_no_picture_says_what_it_is(content, reason):
    with pytest.raises(PictureError, match=reason):
        decode_picture(content)
