"""What a network is that is no detector whose answers can be read, in words, by shapes alone."""

from collections.abc import Sequence

_KEY_POINTS = (1, 1, 17, 3)  # of a person, as MoveNet has them


def name_kind(shapes: Sequence[tuple[int, ...]]) -> str | None:
    """What outputs of these shapes belong to, and what would be right; None: not known."""
    wide = [shape for shape in shapes if len(shape) == 4 and min(shape[1:3]) > 1]
    tables = [shape for shape in shapes if len(shape) == 3]
    flat = [shape for shape in shapes if len(shape) < 3 or max(shape[:-1]) == 1]
    if len(flat) == len(shapes) and len(shapes) < 3:
        return (
            "a classifier, or another network with a few values for the whole picture: it says"
            " what is shown and not where; give a detector"
        )
    if _KEY_POINTS in shapes:
        return "a pose network, which answers with key points; give a detector"
    if len(wide) == 1 and len(tables) == len(shapes) - 1 and tables:
        return "a segmentation network, with masks beside its boxes; export a network for detection"
    if len(wide) < len(shapes):
        return None
    if len(wide) > 1 and len({shape[1:3] for shape in wide}) == len(wide):
        return (
            "a detector whose grids have not been decoded; export it with its last step, which"
            " makes boxes of them"
        )
    return (
        "a network for heat maps or segmentation, with values for each place of the picture; give"
        " a detector, which answers with boxes"
    )
