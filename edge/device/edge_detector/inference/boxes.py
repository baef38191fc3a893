"""Boxes and detections: the values that everything after the tensors speaks.

A box is in pixels of the frame it belongs to: x to the right, y down, from the top left corner.
It never changes; each method returns a new one.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle from (x0, y0) to (x1, y1), in pixels."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        return self.y1 - self.y0

    @property
    def area(self) -> float:
        """In square pixels; 0 where the corners are the wrong way round."""
        return max(0.0, self.width) * max(0.0, self.height)

    def scale(self, x: float, y: float) -> "Box":
        """The same part of a frame that is x times as wide and y times as high."""
        return Box(self.x0 * x, self.y0 * y, self.x1 * x, self.y1 * y)

    def translate(self, x: float, y: float) -> "Box":
        """The box moved by x to the right and y down."""
        return Box(self.x0 + x, self.y0 + y, self.x1 + x, self.y1 + y)

    def intersect(self, other: "Box") -> "Box":
        """What both share; a box of no area if they share nothing."""
        x0, y0 = max(self.x0, other.x0), max(self.y0, other.y0)
        return Box(x0, y0, max(x0, min(self.x1, other.x1)), max(y0, min(self.y1, other.y1)))

    def iou(self, other: "Box") -> float:
        """Intersection over union, 0 to 1; 0 for boxes without area."""
        shared = self.intersect(other).area
        union = self.area + other.area - shared
        return shared / union if union > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Detection:
    """One object that a model found; `score` is in 0 to 1, `class_id` indexes the labels."""

    label: str
    class_id: int
    score: float
    box: Box
