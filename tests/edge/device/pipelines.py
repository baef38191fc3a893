"""Stand-ins for what the loop runs on and writes to, and the loop itself."""

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from edge_detector.inference.boxes import Box, Detection
from edge_detector.loop.pipeline import Pipeline

from tests.edge.device.captures import picture

LIMIT_S = 30.0

open_pipeline: Callable[..., Pipeline] = Pipeline  # also on stand-ins for a detector


class FakeDetector:
    """Finds one thing in each frame; fails where it is told to."""

    runtime_name = "fake"

    def __init__(self, version="1.0.0", fails=lambda stage, number: False):
        self.manifest = SimpleNamespace(name="fake", version=version)
        self.fails = fails
        self.frames = 0

    def prepare(self, frame):
        self.frames += 1
        number = self.frames
        return self._pass("prepare", number)

    def infer(self, prepared):
        return self._pass("infer", prepared)

    def read(self, raw):
        self._pass("read", raw)
        return [Detection("bolt", 0, 0.9, Box(10.0, 20.0, 30.0, 40.0))]

    def warm_up(self):
        pass

    def _pass(self, stage, number):
        if self.fails(stage, number):
            raise RuntimeError(f"{stage} {number} failed")
        return number


class FakeSink:
    """Keeps what it gets."""

    def __init__(self, name="--fake", picture=False, fails_at=None):
        self.name, self._picture, self._fails_at = name, picture, fails_at
        self.results: list[Any] = []
        self.times: list[float] = []
        self.closed = 0

    def wants_picture(self, frame):
        return self._picture

    def write(self, result):
        if self._fails_at == len(self.results):
            raise OSError("the disk is full")
        self.results.append(result)
        self.times.append(time.monotonic())

    def close(self):
        self.closed += 1

    @property
    def indices(self):
        return [result.frame.index for result in self.results]


def pictures(count):
    return [picture(number) for number in range(count)]


def run_through(pipeline):
    """Start, wait for the end, close."""
    pipeline.start()
    assert pipeline.wait(LIMIT_S)
    pipeline.close()
