"""Promises of time: a file's frames keep their times, whatever rate it states."""

import itertools
import logging
import math

import cv2
import pytest
from edge_detector.capture.camera import open_camera
from edge_detector.capture.source import parse_source
from edge_detector.capture.timeline import (
    LONGEST_PAUSE_S,
    Rate,
    Timeline,
    choose_rate,
    measure_rate,
)
from edge_detector.outputs.video import VideoFile

from tests.edge.device.captures import picture
from tests.edge.device.installed import count_frames
from tests.edge.device.matroska import write_matroska
from tests.edge.device.results import make_result


def even(count, rate):
    return [number / rate for number in range(count)]


def play(path, out):
    """Annotate a file; its frames, and how long the result plays in seconds."""
    camera = open_camera(parse_source(str(path)))
    video, frames = VideoFile(out, camera.fps, camera.live), []
    while (frame := camera.take(1.0)) is not None:
        result = make_result(frame.index)
        video.write(type(result)(frame, [], result.manifest))
        frames.append(frame)
    video.close()
    capture = cv2.VideoCapture(str(out))
    rate = capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    return frames, count_frames(out) / rate


class TestRate:
    @pytest.mark.parametrize(
        ("stated", "times", "rate"),
        [
            (25.0, even(30, 25.0), 25.0),
            (30000 / 1001, [round(at, 3) for at in even(32, 30000 / 1001)], 30000 / 1001),
            (480.0, even(30, 480.0), 480.0),  # a camera for slow motion
            (25.0, [], 25.0),
            (25.0, [0.0] * 9, 25.0),
            (0.0, even(30, 12.5), 12.5),
            (math.nan, even(30, 12.5), 12.5),
            (0.0, [], None),  # a folder
        ],
    )
    def test_rate_is_the_stated_one_where_the_frames_agree(self, stated, times, rate):
        assert choose_rate(stated, times).fps == (pytest.approx(rate) if rate else None)

    @pytest.mark.parametrize("stated", [1000.0, 90000.0, 1e9, 0.001, 50.0, -1.0, math.inf])
    def test_rate_that_the_frames_contradict_is_told(self, stated):
        chosen = choose_rate(stated, even(32, 10.0))

        assert chosen.fps == pytest.approx(10.0)
        assert chosen.warning is not None and "they come 10 a second" in chosen.warning

    @pytest.mark.parametrize("stated", [1000.0, 90000.0, 1e9, -5.0, math.inf])
    def test_rate_that_cannot_be_is_not_taken_without_times(self, stated):
        chosen = choose_rate(stated, [0.0] * 20)

        assert chosen.fps == 25.0 and chosen.warning is not None

    def test_uneven_times_give_the_rate_of_the_short_gaps(self):
        """So that no frame has to be left out."""
        times = list(itertools.accumulate([0.0, *[0.033, 0.1, 0.033, 0.5] * 8]))

        assert measure_rate(times) == pytest.approx(30, rel=0.02)
        assert choose_rate(30.0, times) == Rate(30.0)

    def test_times_that_say_nothing_give_none(self):
        assert measure_rate([]) is measure_rate([1.0]) is measure_rate([0.0, 0.0, 0.0, 0.1]) is None


class TestTimeline:
    def place(self, times, fps=10.0):
        timeline = Timeline(fps)
        return [round(timeline.place(at), 6) for at in times], timeline.mended

    def test_times_are_kept_and_begin_at_nothing(self):
        assert self.place([5.0, 5.1, 5.9]) == ([0.0, 0.1, 0.9], 0)

    def test_times_that_stand_still_follow_by_the_rate(self):
        assert self.place([0.0] * 4) == ([0.0, 0.1, 0.2, 0.3], 3)
        assert self.place([math.nan] * 3) == ([0.0, 0.1, 0.2], 2)

    def test_half_of_the_times_is_enough(self):
        """As of two fields that share one."""
        assert self.place([0.0, 0.0, 0.2, 0.2, 0.4], fps=10.0)[0] == [0.0, 0.1, 0.2, 0.3, 0.4]

    def test_times_that_run_backwards_go_on_from_there(self):
        """As in two recordings that were put together."""
        placed, mended = self.place([0.0, 2.0, 4.0, 0.0, 0.3, 0.4])

        assert placed == [0.0, 2.0, 4.0, 4.1, 4.4, 4.5] and mended == 1

    def test_times_in_disorder_make_nothing_longer(self):
        """Each pair of frames the wrong way round: the whole lasts as long as it says."""
        times = [0.1 * (number ^ 1) for number in range(100)]

        placed, _ = self.place(times)

        assert placed[-1] == pytest.approx(9.9, abs=0.25)

    def test_leap_in_the_times_is_a_fault(self):
        placed, mended = self.place([0.0, 0.1, LONGEST_PAUSE_S * 3, LONGEST_PAUSE_S * 3 + 0.1])

        assert placed == [0.0, 0.1, 0.2, 0.3] and mended == 1

    def test_times_never_run_backwards(self):
        times = [3.0, 2.9, 2.9, 1e9, -5.0, math.nan, 0.0, 0.05, math.inf, 0.2]
        placed, _ = self.place(times)

        assert all(a < b for a, b in itertools.pairwise(placed))


class TestFiles:
    @pytest.mark.parametrize("stated", [1000.0, 90000.0, 0.001, 10.0, None])
    def test_video_plays_as_long_as_its_source(self, tmp_path, stated):
        """Six seconds are six seconds, whatever the head of the file says."""
        images = [picture(number) for number in range(60)]
        path = write_matroska(tmp_path / "a.mkv", images, even(60, 10.0), stated)

        frames, seconds = play(path, tmp_path / "out.mp4")

        assert len(frames) == 60 and count_frames(tmp_path / "out.mp4") == 60
        assert frames[30].source_time_s == pytest.approx(3.0)
        assert seconds == pytest.approx(6.0, abs=0.1)

    def test_invented_rate_is_told_once(self, tmp_path, caplog):
        images = [picture(number) for number in range(20)]
        path = write_matroska(tmp_path / "a.mkv", images, even(20, 10.0), 1000)

        with caplog.at_level(logging.INFO):
            play(path, tmp_path / "out.mp4")

        assert caplog.text.count("states 1000 frames a second; they come 10 a second") == 1
        assert "damaged" not in caplog.text

    def test_frames_at_uneven_times_stay_at_theirs(self, tmp_path):
        """A picture that stood for half a second stands for half a second."""
        times = list(itertools.accumulate([0.0, *[0.033, 0.1, 0.033, 0.5] * 6]))
        images = [picture(number) for number in range(len(times))]
        path = write_matroska(tmp_path / "a.mkv", images, times, None)

        frames, seconds = play(path, tmp_path / "out.mp4")

        shown = [frame.source_time_s for frame in frames]
        assert shown == pytest.approx(times, abs=0.002)
        assert seconds == pytest.approx(times[-1] + 0.033, abs=0.1)

    @pytest.mark.parametrize(
        ("times", "expected_s"),
        [
            ([0.0] * 50, 2.0),
            ([*even(20, 10.0), *even(20, 10.0)], 4.0),
            ([*even(20, 10.0), *(5000 + at for at in even(20, 10.0))], 4.0),
        ],
    )
    def test_times_that_cannot_be_are_mended_and_told(self, tmp_path, caplog, times, expected_s):
        images = [picture(number) for number in range(len(times))]
        path = write_matroska(tmp_path / "a.mkv", images, times, 25 if len(times) == 50 else 10)

        with caplog.at_level(logging.WARNING):
            frames, seconds = play(path, tmp_path / "out.mp4")

        assert len(frames) == len(times)
        assert seconds == pytest.approx(expected_s, abs=0.1)
        assert "bear no times" in caplog.text or "run backwards, stand still or leap" in caplog.text

    def test_raw_stream_of_pictures_is_played_at_the_usual_rate(self, tmp_path):
        """Pictures one after the other, without any times."""
        packed = [cv2.imencode(".jpg", picture(number))[1].tobytes() for number in range(50)]
        (tmp_path / "a.mjpeg").write_bytes(b"".join(packed))

        frames, seconds = play(tmp_path / "a.mjpeg", tmp_path / "out.mp4")

        assert len(frames) == 50 and seconds == pytest.approx(2.0, abs=0.1)
