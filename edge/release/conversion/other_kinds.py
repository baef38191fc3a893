"""What a network is that is no detector whose answers can be read, in words, by shapes alone."""

from collections.abc import Sequence

_KEY_POINTS = (1, 1, 17, 3)  # of a person, as MoveNet has them
_KEY_POINT_VALUES = 51  # the same in a row of YOLO
_RAW_POSE = 4 + 1 + _KEY_POINT_VALUES  # values of a place: a box, a person's score, key points
_MOST_FINISHED = 1_000  # detections


def name_kind(shapes: Sequence[tuple[int, ...]], labels: int = 0) -> str | None:
    """What outputs of these shapes belong to, and what would be right; None: not known.

    labels: how many there are.
    """
    wide = [shape for shape in shapes if len(shape) == 4 and min(shape[1:3]) > 1]
    tables = [shape for shape in shapes if len(shape) == 3]
    flat = [shape for shape in shapes if len(shape) < 3 or max(shape[:-1]) == 1]
    if len(flat) == len(shapes) and len(shapes) < 3:
        return (
            "a classifier, or another network with a few values for the whole picture: it says"
            " what is shown and not where; give a detector"
        )
    if _KEY_POINTS in shapes or _is_pose(shapes, labels):
        return "a pose network, which answers with key points; give a detector" + _or_labels(shapes)
    if len(wide) == 1 and len(tables) == len(shapes) - 1 and tables:
        return "a segmentation network, with masks beside its boxes; export a network for detection"
    if len(tables) == len(shapes) == 2 and tables[0][1] == tables[1][1]:
        return _name_places(tables)
    grids = {shape[1:3] for shape in shapes if len(shape) == 4}
    if len(grids) > 1 and all(len(shape) == 4 for shape in shapes):
        return (
            "a detector whose grids have not been decoded; export it with its last step, which"
            " makes boxes of them: of EfficientDet and SSD, TFLite_Detection_PostProcess"
        )
    if len(wide) < len(shapes):
        return None
    return (
        "a network for heat maps or segmentation, with values for each place of the picture; give"
        " a detector, which answers with boxes"
    )


def _is_pose(shapes: Sequence[tuple[int, ...]], labels: int) -> bool:
    """YOLO with a person's key points behind the values of a detector, or of finished ones.

    More labels than one, or more rows than are ever finished, are a detector's that was miscounted.
    """
    if len(shapes) != 1 or len(shapes[0]) != 3:
        return False
    _, rows, columns = shapes[0]
    finished = columns == 6 + _KEY_POINT_VALUES and rows <= _MOST_FINISHED
    return (labels == 1 and _RAW_POSE in (rows, columns)) or finished


def _or_labels(shapes: Sequence[tuple[int, ...]]) -> str:
    """A detector of many labels has the same shape."""
    raw = len(shapes) == 1 and _RAW_POSE in shapes[0]
    return f", or the {_RAW_POSE - 4} labels of a yolo_v8" if raw else ""


def _name_places(tables: Sequence[tuple[int, ...]]) -> str | None:
    """Boxes beside scores, for as many places."""
    boxes, scores = sorted((shape[2] for shape in tables), key=lambda width: width != 4)
    if boxes != 4:
        return None
    return (
        f"a detector with boxes and {scores} scores for each of {tables[0][1]} places. If it is our"
        f" own head, points, give {scores} labels; if its boxes stand beside anchors, as those of"
        " EfficientDet and SSD do, export it with its last step, TFLite_Detection_PostProcess"
    )
