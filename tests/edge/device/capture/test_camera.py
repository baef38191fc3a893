"""Promises of the sources of frames: every frame of a file, the newest of a camera, for ever."""

import errno
import itertools
import logging
import threading
import time

import cv2
import numpy as np
import pytest
from edge_detector.capture.camera import FileCamera, open_camera
from edge_detector.capture.health import Patience
from edge_detector.capture.live import MOST_HANGING, LiveCamera
from edge_detector.capture.source import Source, parse_source
from edge_detector.errors import CameraError
from edge_detector.system.address import hide_secrets

from tests.edge.device.captures import FakeCapture, FakeTime, noise, picture, wait_for

STREAM = Source("address", "rtsp://user:secret@camera/stream", "rtsp://…@camera/stream")


@pytest.fixture
def open_live():
    """Opens live cameras on fake captures, and ends them."""
    cameras = []

    def open_one(opener, clock=None, **options):
        clock = clock or FakeTime()
        camera = LiveCamera(STREAM, opener=opener, clock=clock, pause=clock.pause, **options)
        cameras.append(camera)
        return camera

    yield open_one
    for camera in cameras:
        camera.close()


def next_frame(camera, timeout_s=20.0):
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        frame = camera.take(0.05)
        if frame is not None:
            return frame
    raise AssertionError(f"no frame came: {camera.trouble}")


def write_video(path, count=20, size=(64, 48), fps=10.0):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, size)
    for number in range(count):
        writer.write(np.full((size[1], size[0], 3), number * 10, np.uint8))
    writer.release()
    return path


class TestSource:
    def test_source_is_told_by_what_it_looks_like(self, tmp_path):
        """A number is a camera, a path a file or folder, and what has :// an address."""
        video = write_video(tmp_path / "a.mp4")

        kinds = [
            parse_source(text).kind for text in ("0", str(video), str(tmp_path), "rtsp://host/a")
        ]

        assert kinds == ["device", "file", "folder", "address"]
        assert [parse_source(t).live for t in ("3", str(video))] == [True, False]

    @pytest.mark.parametrize(
        "text", ["missing.mp4", "ftp://host/a.mp4", "rtsp:///nowhere", "http://[::1/a", ""]
    )
    def test_source_that_cannot_be_is_refused_with_what_would_be_right(self, text):
        """A wrong source is one sentence, with an example or the list of what there is."""
        with pytest.raises(CameraError, match=r"give a camera's number|one of|write|no address"):
            parse_source(text)

    @pytest.mark.parametrize(
        "address",
        [
            "rtsp://user:secret@camera:554/stream",
            "rtsp://us%40er:se@secret@camera:554/stream",
            "rtsp://user:secret/word@camera:554/stream",
            "rtsp://user:secret\u2100@camera:554/stream",
            "rtsp://camera:554/stream?password=secret",
            "rtsp://secret@camera:554/stream#secret",
        ],
    )
    def test_source_never_shows_a_password(self, address):
        """User, password and query of an address stay out of every message."""
        assert "secret" not in hide_secrets(address)
        assert "camera:554/stream" in hide_secrets(address)
        with pytest.raises(CameraError) as caught:
            parse_source(address.replace("rtsp", "gopher"))
        assert "secret" not in str(caught.value)

    @pytest.mark.parametrize(
        "address",
        [
            "rtsp://user:pass?secret@camera/stream",
            "rtsp://user:pass#secret@camera/stream",
            "rtsp://camera/stream?user=me@here&password=secret",
            "rtsp://user:secret@camera:abc/stream",
            "rtsp://user:secret@[camera/stream",
        ],
    )
    def test_source_hides_more_rather_than_a_part_of_a_password(self, address):
        """Where it cannot be told what belongs to a password, nothing after it is shown."""
        assert "secret" not in hide_secrets(address)
        with pytest.raises(CameraError) as caught:
            parse_source(address.replace("rtsp", "gopher"))
        assert "secret" not in str(caught.value)

    @pytest.mark.parametrize(
        "text",
        [
            *("99999999999999999999", str(2**31), "9" * 5_000),
            *("x" * 300, "~nobody-of-this-name/a.mp4", "file/a.mp4"),
        ],
    )
    def test_source_that_nobody_can_have_is_one_sentence(self, tmp_path, monkeypatch, text):
        """A number beyond all cameras, a name beyond all files: no traceback, no page of text."""
        (tmp_path / "file").touch()
        monkeypatch.chdir(tmp_path)

        with pytest.raises(CameraError) as caught:
            open_camera(parse_source(text))
        assert len(str(caught.value)) < 450

    def test_folder_that_may_not_be_read_is_refused(self, tmp_path, monkeypatch):
        """Somebody else's folder is said to be one."""

        def refuse(_folder):
            raise PermissionError(errno.EACCES, "Permission denied")

        source = parse_source(str(tmp_path))
        monkeypatch.setattr("pathlib.Path.iterdir", refuse)

        with pytest.raises(CameraError, match=r"folder .* cannot be read: Permission denied"):
            open_camera(source)


class TestFileCamera:
    def test_file_gives_every_frame_in_order_and_ends(self, tmp_path):
        """No frame of a file is left out, however slowly they are taken."""
        camera = open_camera(parse_source(str(write_video(tmp_path / "a.mp4"))))

        frames = list(iter(lambda: camera.take(1.0), None))

        assert [frame.index for frame in frames] == list(range(20))
        assert camera.ended and camera.length == 20 and camera.fps == 10.0
        means = [int(frame.image.mean()) for frame in frames]
        assert np.allclose(means, [number * 10 for number in range(20)], atol=4)
        assert frames[10].source_time_s == pytest.approx(1.0)
        camera.close()

    def test_file_goes_on_after_a_damaged_place(self):
        """A read that fails in the middle is not the end."""
        steps = iter([picture(1), None, cv2.error("broken"), picture(2), None, picture(3)])
        camera = FileCamera(Source("file", "a.mp4", "file a.mp4"), FakeCapture(steps))

        frames = list(iter(lambda: camera.take(1.0), None))

        assert [frame.index for frame in frames] == [0, 1, 2]

    @pytest.mark.parametrize("content", [b"", b"no video at all", b"\0" * 5000])
    def test_file_that_is_no_video_is_refused(self, tmp_path, content):
        """A file without a frame is an error at the start, not an empty run."""
        (tmp_path / "a.mp4").write_bytes(content)

        with pytest.raises(CameraError, match="no video that can be read"):
            open_camera(parse_source(str(tmp_path / "a.mp4")))

    def test_file_cut_short_is_told_of(self, tmp_path, caplog):
        """A file that ends long before its stated length gets a warning."""
        capture = FakeCapture(itertools.islice(noise(), 5), length=100)
        camera = FileCamera(Source("file", "a.mp4", "file a.mp4"), capture)

        while camera.take(1.0) is not None:
            pass

        assert "ended after 5 of 100 frames" in caplog.text

    def test_folder_gives_its_pictures_by_name(self, tmp_path, caplog):
        """Pictures come in the order of their names; what is none is left out, and said."""
        for name, seed in (("b.png", 2), ("a.png", 1), ("c.jpg", 3)):
            cv2.imwrite(str(tmp_path / name), picture(seed))
        (tmp_path / "aa.png").write_bytes(b"not a picture")
        (tmp_path / "notes.txt").write_text("nothing to see")
        camera = open_camera(parse_source(str(tmp_path)))

        frames = list(iter(lambda: camera.take(1.0), None))

        assert len(frames) == 3
        assert (frames[0].image == picture(1)).all() and (frames[1].image == picture(2)).all()
        assert "aa.png" in caplog.text and "notes.txt" not in caplog.text

    def test_folder_without_pictures_is_refused(self, tmp_path):
        """An empty folder is an error at the start."""
        with pytest.raises(CameraError, match="no picture that can be read"):
            open_camera(parse_source(str(tmp_path)))

    def test_one_picture_is_a_source_too(self, tmp_path):
        """A single picture is a file of one frame."""
        cv2.imwrite(str(tmp_path / "a.png"), picture(1))
        camera = open_camera(parse_source(str(tmp_path / "a.png")))

        frame = camera.take(1.0)

        assert frame is not None and (frame.image == picture(1)).all()
        assert camera.take(1.0) is None and camera.ended

    def test_device_that_is_not_there_is_refused(self):
        """A wrong number is an error that says what to look at."""
        with pytest.raises(CameraError, match="is it connected"):
            open_camera(parse_source("97"))


class TestLiveCamera:
    def test_live_gives_the_newest_frame_and_counts_the_others(self, open_live):
        """Who is slow gets what is now, not what was; what was left out is counted."""
        go_on = threading.Semaphore(0)

        def step(number):
            def give():
                go_on.acquire()
                return picture(number)

            return give

        steps = iter([step(number) for number in range(100)])
        events: list[str] = []
        camera = open_live(lambda _source: FakeCapture(steps))
        camera.on_event = events.append
        go_on.release()
        first = next_frame(camera)
        go_on.release(10)
        assert wait_for(lambda: camera.dropped == 9)

        newest = next_frame(camera)

        assert first.index == 0 and newest.index == 10
        assert (newest.image == picture(10)).all()
        assert events == ["dropped"] * 9
        go_on.release(1000)

    def test_live_comes_back_after_ten_seconds_away(self, open_live, caplog):
        """A camera that disappears for 10 s costs 10 s of frames, and nothing else."""
        clock = FakeTime()
        gone_at, back_at = clock.now + 1.0, clock.now + 11.0
        opened = []

        def opener(_source):
            opened.append(clock.now)
            away = gone_at <= clock.now < back_at
            steps = (
                picture(number) if not gone_at <= clock.now < back_at else None
                for number in itertools.count()
            )
            return FakeCapture(steps, clock, opened=not away)

        camera = open_live(opener, clock)
        next_frame(camera)
        assert wait_for(lambda: camera.reopened == 1)
        assert wait_for(lambda: camera.trouble is None)
        camera.take(0.05)  # perhaps an old one
        frame = next_frame(camera)

        assert frame.captured_at >= back_at
        assert camera.reopened == 1
        assert len(opened) >= 4
        assert opened[-1] < back_at + 20, "the pauses had not grown far"
        assert caplog.text.count("it does not answer") == 1, "said once, not at each attempt"

    def test_live_pauses_grow_while_nothing_answers(self, open_live):
        """An address that is away for long is asked rarely, and never given up."""
        clock = FakeTime()
        camera = open_live(lambda _source: FakeCapture(iter(()), opened=False), clock)

        assert wait_for(lambda: len(clock.pauses) > 40)

        assert clock.pauses[0] <= 0.5 * 1.25
        assert all(20 < pause < 40 for pause in clock.pauses[10:])
        assert camera.trouble == "it does not answer" and not camera.ended

    def test_live_notices_a_frozen_picture_and_opens_anew(self, open_live, caplog):
        """One frame repeated for ever is not a working camera."""
        clock = FakeTime()
        streams = iter([itertools.repeat(picture(0)), noise()])
        camera = open_live(lambda _source: FakeCapture(next(streams), clock), clock)

        assert wait_for(lambda: camera.reopened == 1)
        next_frame(camera)  # perhaps an old one
        frame = next_frame(camera)

        assert "has not changed for 10 s" in caplog.text
        assert not (frame.image == picture(0)).all()

    def test_live_lets_no_garbage_through_and_recovers(self, open_live, caplog):
        """Whatever a broken stream delivers, only pictures reach the model."""
        clock = FakeTime()
        green = np.zeros((48, 64, 3), np.uint8)
        green[:] = (0, 135, 0)
        rubbish = [None, picture(1)[:, :, 0], green, cv2.error("broken"), "text", picture(2)[:7]]
        streams = iter(
            [
                itertools.chain([picture(100)], itertools.cycle(rubbish)),
                itertools.chain(rubbish[:4], noise()),
                noise(),
            ]
        )
        camera = open_live(lambda _source: FakeCapture(next(streams, noise()), clock), clock)

        seen = [next_frame(camera) for _ in range(20)]

        assert all(frame.image.shape == (48, 64, 3) and np.ptp(frame.image) > 9 for frame in seen)
        assert camera.reopened >= 1
        assert "gives garbage" in caplog.text

    def test_live_survives_any_error_of_a_driver(self, open_live):
        """Reading and opening may raise whatever they like."""
        clock = FakeTime()
        streams = iter(
            [
                RuntimeError("a driver died"),
                FakeCapture(itertools.repeat(OSError("no device")), clock),
                FakeCapture(itertools.repeat(MemoryError()), clock),
            ]
        )

        def opener(_source):
            stream = next(streams, None)
            if isinstance(stream, Exception):
                raise stream
            return stream or FakeCapture(noise(), clock)

        assert next_frame(open_live(opener, clock)).image.shape == (48, 64, 3)

    def test_live_replaces_a_reader_that_is_blocked(self, open_live, caplog):
        """A call that never returns is left behind, and another one opens the camera."""
        clock, stuck = FakeTime(), threading.Event()

        def hang():
            stuck.wait()
            return picture(7)

        streams = iter([iter([picture(1), hang]), noise()])
        camera = open_live(lambda _source: FakeCapture(next(streams), clock), clock)
        next_frame(camera)
        assert camera.take(0.05) is None, "not replaced before its time"

        clock.now += Patience().blocked_s
        frame = next_frame(camera)

        assert not (frame.image == picture(7)).all()
        assert "has not answered for 20 s" in caplog.text
        assert camera.hanging == 1
        stuck.set()
        assert wait_for(lambda: camera.hanging == 0)

    def test_live_does_not_pile_up_blocked_readers(self, open_live):
        """If opening itself hangs, a few threads hang, not more and more."""
        clock, stuck = FakeTime(), threading.Event()
        calls: list[None] = []

        def opener(_source):
            calls.append(None)
            stuck.wait()
            return FakeCapture(noise(), clock)

        camera = open_live(opener, clock)
        for _ in range(10):
            clock.now += Patience().blocked_s
            camera.take(0.02)

        assert len(calls) <= MOST_HANGING + 1
        stuck.set()
        assert next_frame(camera).image.shape == (48, 64, 3)

    def test_live_says_no_password(self, open_live, caplog):
        """No message has the address as it was given, whatever goes wrong."""
        caplog.set_level(logging.DEBUG)

        def opener(source):
            raise RuntimeError(f"cannot open {source.target}")

        camera = open_live(opener)
        assert wait_for(lambda: "does not answer" in caplog.text)

        assert "secret" not in caplog.text + str(camera.trouble)

    def test_live_leaves_no_thread(self, open_live):
        """A camera that was closed reads no more."""
        before = set(threading.enumerate())
        captures = []

        def opener(_source):
            captures.append(FakeCapture(noise()))
            return captures[-1]

        camera = open_live(opener)
        next_frame(camera)
        camera.close()

        assert wait_for(lambda: set(threading.enumerate()) <= before)
        assert captures[-1].released
