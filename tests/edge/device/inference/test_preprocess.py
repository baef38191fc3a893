"""What the way from a frame to a model's input promises, and the way back."""

import threading

import cv2
import numpy as np
import pytest
from edge_detector.contract.manifest import InputSpec
from edge_detector.errors import CameraError, ModelError
from edge_detector.inference.preprocess import Preprocessor, place
from edge_detector.inference.tensors import TensorInfo

SIZES = [(480, 640), (640, 480), (240, 320), (10, 10), (1, 1000), (1000, 1), (37, 211), (720, 1280)]


def spec(**changes):
    return InputSpec(
        **{"height": 48, "width": 64, "dtype": "uint8", "mean": 0.0, "std": 255.0, **changes}
    )


def tensor(dtype="uint8", scale=1 / 255, zero_point=0, shape=(1, 48, 64, 3)):
    return TensorInfo(0, "input", shape, np.dtype(dtype), scale, zero_point)


def random_frame(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize("fit", ["letterbox", "stretch"])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_boxes_come_back_to_where_they_were(height, width, fit):
    """From the frame to the input and back, to a hundredth of a pixel, whatever the size."""
    geometry = place(spec(fit=fit), height, width)
    random = np.random.default_rng(1)
    corners = np.sort(random.uniform(0, 1, (50, 2, 2)), axis=1).reshape(50, 4)
    boxes = (corners * [width, height, width, height]).astype(np.float32)

    scale = np.array([geometry.width / width, geometry.height / height] * 2)
    size = [geometry.input_width, geometry.input_height] * 2
    there = ((boxes * scale + [geometry.x, geometry.y] * 2) / size).astype(np.float32)

    assert there.min() >= -1e-5 and there.max() <= 1 + 1e-5
    assert np.allclose(geometry.to_frame(there), boxes, atol=max(width, height) * 1e-5)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_letterbox_keeps_proportions_and_is_centred(height, width):
    """One side is full; the margins on both ends differ by a pixel at most."""
    geometry = place(spec(), height, width)

    assert geometry.width == 64 or geometry.height == 48
    for side, start, length in (
        (64, geometry.x, geometry.width),
        (48, geometry.y, geometry.height),
    ):
        assert 0 <= (side - length - start) - start <= 1
    scale = min(64 / width, 48 / height)
    assert abs(geometry.width - max(1, width * scale)) <= 0.5
    assert abs(geometry.height - max(1, height * scale)) <= 0.5


def test_boxes_in_the_margin_are_clipped_to_the_frame():
    """What a model sees in the grey is not in the picture."""
    geometry = place(spec(), 48, 32)  # upright, in the middle half

    boxes = geometry.to_frame(np.array([[0, 0, 0.5, 1], [0, 0, 0.2, 0.2]], np.float32))

    assert boxes.tolist() == [[0, 0, 16, 48], [0, 0, 0, pytest.approx(9.6)]]


@pytest.mark.parametrize("colour_order", ["rgb", "bgr"])
@pytest.mark.parametrize("fit", ["letterbox", "stretch"])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_bytes_are_those_of_resize_and_exchange(height, width, fit, colour_order):
    """Equal to the plain way: resize, exchange colours, paste into grey."""
    frame = random_frame(height, width)
    wanted = spec(fit=fit, colour_order=colour_order, pad=7)

    values, geometry = Preprocessor(wanted, tensor()).prepare(frame)

    small = cv2.resize(frame, (geometry.width, geometry.height))
    expected = np.full((1, 48, 64, 3), 7, np.uint8)
    expected[
        0, geometry.y : geometry.y + geometry.height, geometry.x : geometry.x + geometry.width
    ] = small[..., ::-1] if colour_order == "rgb" else small
    assert values.dtype == np.uint8 and np.array_equal(values, expected)


@pytest.mark.parametrize(
    ("dtype", "mean", "std", "scale", "zero_point"),
    [
        ("uint8", 0.0, 255.0, 1 / 255, 0),  # as it is
        ("uint8", 127.5, 127.5, 1 / 128, 128),  # as good as
        ("int8", 0.0, 255.0, 1 / 255, -128),  # shifted
        ("int8", 127.5, 127.5, 1 / 127.5, 0),
        ("uint8", 0.0, 1.0, 1.0, 0),
        ("uint8", 0.0, 255.0, 1 / 200, 0),  # by a table
        ("int8", 100.0, 50.0, 0.03, 5),
        ("uint8", 0.0, 1.0, 0.0, 0),  # not quantised: bytes for an input that casts them itself
        ("float32", 0.0, 255.0, 0.0, 0),
        ("float32", 127.5, 127.5, 0.0, 0),
        ("float32", 0.0, 1.0, 0.0, 0),
    ],
)
def test_scaling_is_that_of_the_manifest(dtype, mean, std, scale, zero_point):
    """Every pixel value becomes what its formula says, to one step of the quantisation."""
    frame = np.arange(48 * 64 * 3, dtype=np.uint32).reshape(48, 64, 3).astype(np.uint8)
    wanted = spec(dtype=dtype, mean=mean, std=std, colour_order="bgr")

    values, _ = Preprocessor(wanted, tensor(dtype, scale, zero_point)).prepare(frame)

    real = (frame.astype(np.float64) - mean) / std
    assert values.dtype == dtype and values.shape == (1, 48, 64, 3)
    if dtype == "float32":
        assert np.allclose(values[0], real, atol=1e-5, rtol=1e-6)
    else:
        bounds = np.iinfo(dtype)
        exact = np.clip(real / (scale or 1) + zero_point, bounds.min, bounds.max)
        assert np.abs(values[0] - exact).max() <= 1.0


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_channels_may_come_first(dtype):
    """As exporters from PyTorch leave them: the same values in another order."""
    frame = random_frame(100, 90)
    usual, _ = Preprocessor(spec(dtype=dtype), tensor(dtype)).prepare(frame)

    preprocessor = Preprocessor(spec(dtype=dtype), tensor(dtype, shape=(1, 3, 48, 64)))
    planes, _ = preprocessor.prepare(frame)

    assert planes.flags.c_contiguous
    assert np.array_equal(planes, usual.transpose(0, 3, 1, 2))


def test_every_frame_gets_a_buffer_of_its_own():
    """The next frame does not change what is still being looked at, nor does the model."""
    preprocessor = Preprocessor(spec(), tensor())
    frames = [random_frame(48, 64, seed) for seed in (1, 2)]

    first, _ = preprocessor.prepare(frames[0])
    copy = first.copy()
    second, _ = preprocessor.prepare(frames[1])
    second[:] = 0

    assert np.array_equal(first, copy)
    assert np.array_equal(frames[1], random_frame(48, 64, 2))


def test_threads_do_not_disturb_each_other():
    """Frames of many sizes, prepared at once, become what they become alone."""
    preprocessor = Preprocessor(spec(), tensor())
    frames = [random_frame(20 + 3 * number, 90 - number, number) for number in range(60)]
    alone = [Preprocessor(spec(), tensor()).prepare(frame)[0] for frame in frames]
    wrong: list[int] = []

    def work():
        wrong.extend(
            number
            for _ in range(5)
            for number, frame in enumerate(frames)
            if not np.array_equal(preprocessor.prepare(frame)[0], alone[number])
        )

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((48, 64), np.uint8),
        np.zeros((48, 64, 4), np.uint8),
        np.zeros((48, 64, 3), np.float32),
        np.zeros((0, 64, 3), np.uint8),
    ],
    ids=["grey", "with alpha", "floats", "empty"],
)
def test_what_is_no_frame_is_the_cameras_fault(frame):
    """The loop can leave it out and go on."""
    with pytest.raises(CameraError, match=r"must be uint8 \[height, width, 3\]"):
        Preprocessor(spec(), tensor()).prepare(frame)


@pytest.mark.parametrize(
    "frame", [random_frame(100, 100)[::-1, ::2], random_frame(9, 9)[..., ::-1]]
)
def test_views_are_frames(frame):
    """Whatever lies in memory in another order."""
    values, _ = Preprocessor(spec(), tensor()).prepare(frame)

    assert np.array_equal(values, Preprocessor(spec(), tensor()).prepare(frame.copy())[0])


@pytest.mark.parametrize(
    "info", [tensor("int8"), tensor(shape=(1, 64, 48, 3)), tensor(shape=(1, 3, 64, 48))]
)
def test_input_that_is_not_the_manifests_is_refused(info):
    """With both shapes and types."""
    with pytest.raises(ModelError, match=r"its manifest says uint8 \[1, 48, 64, 3\]"):
        Preprocessor(spec(), info)
