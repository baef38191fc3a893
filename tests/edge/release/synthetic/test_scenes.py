"""Promises of the rendered scenes."""

import json
from typing import Any

import cv2
import numpy as np
import pytest

from edge.release.clip import write_clip
from edge.release.errors import PublisherError
from edge.release.synthetic import scenes as scenes_module
from edge.release.synthetic.metal import cast_shadow, draw_lamp, shade
from edge.release.synthetic.parts import DEFECTS, KINDS, draw_part
from edge.release.synthetic.scenes import (
    LABELS,
    WIDTH,
    Scene,
    lay_out,
    render_scene,
    write_dataset,
    write_once,
)
from edge.release.synthetic.shapes import Part


def scenes(count: int, seed: int = 0) -> list[Scene]:
    return [render_scene(np.random.default_rng([seed, number])) for number in range(count)]


def test_scene_follows_from_its_seed_alone():
    """Same seed, same bytes, whatever was rendered before; another seed, another scene."""
    first = render_scene(np.random.default_rng(5))
    other = render_scene(np.random.default_rng(6))
    again = render_scene(np.random.default_rng(5))

    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.boxes, again.boxes)
    assert np.array_equal(first.class_ids, again.class_ids)
    assert not np.array_equal(first.image, other.image)


def test_scene_is_a_picture_with_boxes_inside():
    """Of the size asked for; boxes in order, in the picture, and none is a sliver."""
    for scene in scenes(20):
        assert scene.image.shape == (480, 640, 3) and scene.image.dtype == np.uint8
        assert scene.boxes.shape == (len(scene.class_ids), 4)
        assert scene.boxes.dtype == np.float32
        x0, y0, x1, y1 = scene.boxes.T
        assert (x0 >= 0).all() and (y0 >= 0).all() and (x1 <= 640).all() and (y1 <= 480).all()
        assert (x1 - x0 >= 12).all() and (y1 - y0 >= 12).all()
        assert ((x1 - x0) * (y1 - y0) >= 500).all()
        assert (np.maximum(x1 - x0, y1 - y0) <= 145).all()


def test_scenes_hold_all_labels_in_fair_shares():
    """Three to twelve parts a scene but for want of room, a third of them defective."""
    found = scenes(60, seed=1)
    counts = np.bincount(np.concatenate([scene.class_ids for scene in found]), minlength=4)
    shares = dict(zip(LABELS, counts / counts.sum(), strict=True))

    assert max(len(scene.boxes) for scene in found) <= 12
    assert np.mean([len(scene.boxes) >= 3 for scene in found]) > 0.95
    assert 0.2 < shares["defective"] < 0.45
    assert all(shares[label] > 0.12 for label in ("bolt", "nut", "washer"))


@pytest.mark.parametrize(("height", "width"), [(240, 320), (480, 640), (480, 2_000), (301, 403)])
def test_scene_has_the_size_asked_for(height, width):
    """Odd and very long ones too."""
    lamp = draw_lamp(np.random.default_rng(0))

    scene = lay_out(np.random.default_rng(2), lamp, height, width, 9)

    assert scene.image.shape == (height, width, 3)
    assert (scene.boxes[:, 2] <= width).all() and (scene.boxes[:, 3] <= height).all()


def test_box_is_tight_around_what_was_drawn():
    """The picture changes inside a lone part's box, up to its four sides, and hardly outside."""
    lamp = draw_lamp(np.random.default_rng(0))
    for seed in range(20):
        with_part = lay_out(np.random.default_rng(seed), lamp, 480, 640, 1, least_inside=1.0)
        empty = lay_out(np.random.default_rng(seed), lamp, 480, 640, 0)
        changed = np.abs(with_part.image.astype(int) - empty.image).sum(2) > 0
        x0, y0, x1, y1 = with_part.boxes[0].astype(int)

        for side in (changed[y0:y1, x0], changed[y0:y1, x1 - 1]):
            assert side.any()
        for side in (changed[y0, x0:x1], changed[y1 - 1, x0:x1]):
            assert side.any()
        changed[y0 - 20 : y1 + 20, x0 - 20 : x1 + 20] = False  # its shadow lies beside it
        assert not changed.any()


def test_box_of_a_covered_part_spans_the_whole_part():
    """Boxes are amodal: rendering the same scene with a part less leaves the others' boxes."""
    lamp = draw_lamp(np.random.default_rng(0))
    for seed in range(10):
        more = lay_out(np.random.default_rng(seed), lamp, 480, 640, 9)
        fewer = lay_out(np.random.default_rng(seed), lamp, 480, 640, 5)

        assert np.array_equal(more.boxes[: len(fewer.boxes)], fewer.boxes)


def test_every_part_stands_out_from_the_belt():
    """By its colours: no part is drawn so faintly that only its label says where it is."""
    lamp = draw_lamp(np.random.default_rng(3))
    for seed in range(30):
        rng = np.random.default_rng(seed)
        relief = draw_part(rng, Part(KINDS[seed % 3], 100, rng.uniform(0, 6)))
        colours = shade(rng, relief, lamp)
        shadow = cast_shadow(relief, lamp)

        assert colours[relief.alpha > 0.5].mean() > 25
        assert shadow.max() > 0.9
        assert shadow.min() >= 0


@pytest.mark.parametrize("kind", KINDS)
def test_whole_part_lies_in_its_patch(kind):
    """At every angle, with room for the shadow: nothing is cut off by the drawing itself."""
    for defect in (None, *DEFECTS[kind]):
        for seed in range(40):
            rng = np.random.default_rng(seed)
            relief = draw_part(rng, Part(kind, 100, rng.uniform(0, 2 * np.pi), defect))
            mask = relief.alpha > 0.01
            edge = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])

            assert not edge.any(), (defect, seed)
            assert np.count_nonzero(mask) > 600


@pytest.mark.parametrize(
    ("kind", "defect"), [(kind, defect) for kind in KINDS for defect in DEFECTS[kind]]
)
def test_defect_can_be_seen(kind, defect):
    """The same part without the defect looks different, over a good share of its area."""
    for seed in range(20):
        angle = seed / 3
        whole = draw_part(np.random.default_rng(seed), Part(kind, 110, angle))
        broken = draw_part(np.random.default_rng(seed), Part(kind, 110, angle, defect))
        assert not whole.evidence.any()
        assert np.count_nonzero(broken.evidence) > 60

        if broken.rust is not None:
            share = np.count_nonzero(broken.rust > 0.5) / np.count_nonzero(broken.alpha > 0.5)
            assert share > 0.2
            continue
        height, width = whole.alpha.shape
        tall, wide = broken.alpha.shape
        top, left = (tall - height) // 2, (wide - width) // 2
        same_place = np.s_[top : top + height, left : left + width]
        changed = (np.abs(broken.alpha[same_place] - whole.alpha) > 0.5) | (
            np.abs(broken.height[same_place] - whole.height) > 0.8
        )
        assert np.count_nonzero(changed) > 80, seed


def test_defective_part_is_never_shown_without_its_defect():
    """Neither the picture's border nor another part hides what makes it defective."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        lying: list[scenes_module._Lying] = []
        whole = []
        for kind in KINDS * 4:
            relief = draw_part(rng, Part(kind, 100, rng.uniform(0, 6), DEFECTS[kind][-2]))
            shape, least_inside = (480, 640), 0.4
            place = scenes_module._find_place(rng, relief, lying, shape, least_inside, True)
            if place is not None:
                lying.append(place)
                whole.append(np.count_nonzero(relief.evidence))

        seen = [np.count_nonzero(place.evidence) for place in lying]
        assert all(part >= 0.75 * all_ for part, all_ in zip(seen, whole, strict=True))


def test_data_set_is_a_coco_folder(tmp_path):
    """Pictures that open, and one file that holds the same boxes and labels as the scenes."""
    write_dataset(tmp_path / "scenes", count=3, seed=4)

    coco = json.loads((tmp_path / "scenes" / "annotations.json").read_text("utf-8"))
    assert [category["name"] for category in coco["categories"]] == list(LABELS)
    assert len(coco["images"]) == 3
    for number, image in enumerate(coco["images"]):
        picture = cv2.imread(str(tmp_path / "scenes" / image["file_name"]))
        assert picture is not None and picture.shape == (image["height"], image["width"], 3)
        truth = render_scene(np.random.default_rng([4, number]))
        rows = [row for row in coco["annotations"] if row["image_id"] == image["id"]]
        corner_and_size = np.array([row["bbox"] for row in rows])
        corner_and_size[:, 2:] += corner_and_size[:, :2]
        assert np.allclose(corner_and_size, truth.boxes)
        assert [row["category_id"] - 1 for row in rows] == truth.class_ids.tolist()


def test_scenes_are_written_once_and_whole(tmp_path, monkeypatch):
    """What stopped halfway leaves no folder, and a writer that comes second takes the first's."""
    target = tmp_path / "sets" / "scenes"
    encode = cv2.imencode

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cv2, "imencode", stop)
    with pytest.raises(KeyboardInterrupt):
        write_once(target, count=2, seed=4)
    assert list(target.parent.iterdir()) == []

    def meet(*arguments: Any) -> object:
        monkeypatch.setattr(cv2, "imencode", encode)
        write_once(target, count=2, seed=4)
        return encode(*arguments)

    monkeypatch.setattr(cv2, "imencode", meet)
    assert write_once(target, count=2, seed=4) == target
    assert list(target.parent.iterdir()) == [target]
    assert len(list(target.iterdir())) == 3


def test_clip_shows_the_parts_where_it_says(tmp_path):
    """A readable video of the promised length; parts move with the belt, boxes with the parts."""
    clip = write_clip(tmp_path / "belt.mp4", seconds=1, seed=3)

    video = cv2.VideoCapture(str(clip.path))
    frames = []
    while (read := video.read())[0]:
        frames.append(read[1])
    video.release()
    assert len(frames) == clip.frames == 30
    assert frames[0].shape == (480, 640, 3)
    first, _ = clip.in_view(0)
    last, _ = clip.in_view(29)
    assert len(first) and len(last)
    assert (last[:, 0] >= 0).all() and (last[:, 2] <= WIDTH).all()
    assert sum(clip.counts.values()) == len(clip.belt.boxes)
    for box in first:
        moved = box + np.array([40, 0, 40, 0])
        if moved[2] <= WIDTH:
            boxes, _ = clip.in_view(10)
            assert any(np.allclose(moved, other) for other in boxes)
            x0, y0, x1, y1 = box.astype(int)
            here = frames[0][y0:y1, x0:x1].astype(int)
            there = frames[10][y0:y1, x0 + 40 : x1 + 40].astype(int)
            stayed = frames[10][y0:y1, x0:x1].astype(int)
            assert np.abs(here - there).mean() < np.abs(here - stayed).mean()


def test_clip_says_where_it_cannot_be_written(tmp_path):
    """A folder in the place of the file is an error with the path, not a silent nothing."""
    (tmp_path / "taken.mp4").mkdir()

    with pytest.raises(PublisherError, match=r"taken\.mp4"):
        write_clip(tmp_path / "taken.mp4", seconds=0.1)
