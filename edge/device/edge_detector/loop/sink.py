"""What the loop gives for each frame, and what takes it: the interface of all outputs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from edge_detector.capture.frame import Frame
from edge_detector.contract.manifest import Manifest
from edge_detector.inference.boxes import Detection


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """A frame, drawn upon if any output wants its picture, and what the model found."""

    frame: Frame
    detections: Sequence[Detection]
    manifest: Manifest


class Sink(Protocol):
    """Where results go. All methods are called by one thread; what they raise ends the sink."""

    name: str  # what a user calls it, such as `--output out.mp4`

    def wants_picture(self, frame: Frame) -> bool:
        """Whether this frame has to be drawn for it."""

    def write(self, result: Result) -> None:
        """Take a result; the picture is not changed later."""

    def close(self) -> None: ...


@runtime_checkable
class FrameObserver(Sink, Protocol):
    """A sink that also wants to see each frame before it is drawn upon."""

    def observe(self, frame: Frame) -> None:
        """Take a copy of what is needed: the picture is drawn upon after this."""
