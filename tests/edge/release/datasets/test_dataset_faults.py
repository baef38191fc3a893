"""Annotations as they are met with: what is odd in them is understood, or told, never silent."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.release.datasets.annotations import read_dataset, read_split
from edge.release.datasets.pictures import is_turned
from edge.release.errors import DatasetError
from tests.edge.release.datasets.test_annotations import write_coco, write_image, write_voc

SQUARE = [[4, 3, 14, 3, 14, 9, 4, 9]]  # an outline


def write_json(folder: Path, categories: list[Any], annotations: list[Any]) -> Path:
    """A COCO file about two images."""
    for name in ("a.png", "b.png"):
        write_image(folder / name)
    images = [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}]
    file = folder / "_annotations.coco.json"
    content = {"images": images, "annotations": annotations, "categories": categories}
    file.write_text(json.dumps(content))
    return file


def found(category: int, **more: Any) -> dict[str, Any]:
    """An object on the first image."""
    return {"id": 31, "image_id": 1, "category_id": category, "bbox": [4, 3, 10, 6], **more}


def category(number: int, name: str, above: str | None = None) -> dict[str, Any]:
    return {"id": number, "name": name, **({} if above is None else {"supercategory": above})}


def write_yolo(folder: Path, lines: str, names: str | None = None, text: str = "a.txt") -> Path:
    """One image and its text; names: of a data.yaml, instead of two in a classes.txt."""
    write_image(folder / "a.png")
    (folder / text).write_text(lines)
    if names is None:
        (folder / "classes.txt").write_text("bolt\nnut\n")
    else:
        (folder / "data.yaml").write_text(names)
    return folder


class TestCategories:
    @pytest.mark.parametrize(
        ("categories", "labels"),
        [
            ([category(0, "parts", "none"), category(1, "nut", "parts")], ("nut",)),
            ([category(9, "parts"), category(1, "nut", "parts")], ("nut",)),
            ([category(0, "nut", "none"), category(1, "nut", "nut")], ("nut",)),
            # These stay: a class may be called as its own family, and may have no object yet.
            ([category(1, "nut", "nut"), category(2, "bolt", "metal")], ("nut", "bolt")),
            ([category(0, "bolt", "none"), category(1, "nut", "none")], ("bolt", "nut")),
        ],
    )
    def test_name_of_the_export_is_no_class(self, tmp_path, categories, labels):
        """The category above all others, of which no object is, would shift every class."""
        write_json(tmp_path, categories, [found(1)])

        data = read_dataset(tmp_path)

        assert data.labels == labels
        assert data.counts["nut"] == 1

    def test_left_out_category_is_told(self, tmp_path):
        write_json(
            tmp_path, [category(0, "parts", "none"), category(1, "nut", "parts")], [found(1)]
        )

        assert [note for note in read_dataset(tmp_path).warnings if "'parts'" in note]

    def test_category_with_objects_is_a_class_wherever_it_stands(self, tmp_path):
        write_json(
            tmp_path,
            [category(0, "parts", "none"), category(1, "nut", "parts")],
            [found(1), found(0)],
        )

        assert read_dataset(tmp_path).counts == {"parts": 1, "nut": 1}

    def test_two_categories_of_one_name_are_one_class_and_told(self, tmp_path):
        write_json(tmp_path, [category(3, "nut"), category(7, "nut ")], [found(3), found(7)])

        data = read_dataset(tmp_path)

        assert data.counts == {"nut": 2}
        assert "two categories are called 'nut': took them for one" in data.warnings

    def test_gaps_in_the_numbers_shift_nothing(self, tmp_path):
        write_json(tmp_path, [category(1, "nut"), category(90, "bolt")], [found(90)])

        assert read_dataset(tmp_path).counts == {"nut": 0, "bolt": 1}

    def test_names_that_differ_by_capital_letters_are_told(self, tmp_path):
        write_json(tmp_path, [category(1, "Nut"), category(2, "nut")], [found(1)])

        assert any(
            "differ by capital letters only" in one for one in read_dataset(tmp_path).warnings
        )

    @pytest.mark.parametrize(
        ("categories", "message"),
        [
            ([category(1, "nut"), category(1, "bolt")], "category with id 1 is wrong"),
            ([{"id": 1}], "category with id 1 is wrong .no name"),
            ([category(1, " ")], "category with id 1 is wrong"),
        ],
    )
    def test_category_without_a_number_or_name_of_its_own_is_named(
        self, tmp_path, categories, message
    ):
        write_json(tmp_path, categories, [found(1)])

        with pytest.raises(DatasetError, match=message):
            read_dataset(tmp_path)


class TestOutlines:
    @pytest.mark.parametrize(
        "odd",
        [
            {"bbox": None},
            {"bbox": []},
            {"bbox": [0, 0, 0, 0]},
            {"bbox": None, "segmentation": SQUARE[0]},
            {"bbox": None, "segmentation": [[4, 3, 9, 3, 9, 5], [9, 5, 14, 9, 4, 9]]},
        ],
    )
    def test_object_without_a_box_gets_the_one_around_its_outline(self, tmp_path, odd):
        """Exports for segmentation have no other; it is told how many."""
        write_json(tmp_path, [category(1, "nut")], [found(1, segmentation=SQUARE) | odd, found(1)])

        data = read_dataset(tmp_path)

        assert data.images[0].boxes.tolist() == [[4, 3, 14, 9], [4, 3, 14, 9]]
        assert any(note.startswith("1 of 2 objects have no bbox") for note in data.warnings)

    def test_object_without_a_box_gets_the_one_around_its_mask(self, tmp_path):
        """By run lengths, column after column, from the top of the left one."""
        runs = [4 * 30 + 3, *([6, 24] * 9), 6, 40 * 30 - (4 * 30 + 3) - 30 * 9 - 6]
        write_json(
            tmp_path,
            [category(1, "nut")],
            [found(1, bbox=None, segmentation={"size": [30, 40], "counts": runs})],
        )

        assert read_dataset(tmp_path).images[0].boxes.tolist() == [[4, 3, 14, 9]]

    @pytest.mark.parametrize(
        "odd",
        [
            {"bbox": None},
            {"bbox": [1, 2, 3]},
            {"bbox": ["x", 1, 1, 1]},
            {"bbox": None, "segmentation": [[4, 3, 14]]},
            {"bbox": None, "segmentation": {"size": [30, 40], "counts": [1, 2]}},
            {"image_id": 8},
            {"category_id": "nut"},
        ],
    )
    def test_annotation_that_is_wrong_is_named(self, tmp_path, odd):
        """Among many thousands, which one?"""
        file = write_json(tmp_path, [category(1, "nut")], [found(1) | odd])

        with pytest.raises(DatasetError, match=f"{file.name} .* annotation with id 31 is wrong"):
            read_dataset(tmp_path)


class TestCocoFiles:
    def test_image_that_is_listed_twice_is_one_image(self, tmp_path):
        file = write_json(tmp_path, [category(1, "nut")], [found(1), found(1, image_id=3)])
        content = json.loads(file.read_text())
        content["images"].append({"id": 3, "file_name": "a.png"})
        file.write_text(json.dumps(content))

        data = read_dataset(tmp_path)

        assert [len(image.boxes) for image in data.images] == [2, 0]
        assert "1 images are listed twice: took each for one" in data.warnings

    def test_two_images_of_one_number_are_named(self, tmp_path):
        file = write_json(tmp_path, [category(1, "nut")], [found(1)])
        content = json.loads(file.read_text())
        content["images"][1]["id"] = 1
        file.write_text(json.dumps(content))

        with pytest.raises(DatasetError, match=r"image with id 1 is wrong .*that of a\.png too"):
            read_dataset(tmp_path)

    def test_pictures_that_are_not_listed_are_told(self, tmp_path):
        write_coco(tmp_path / "labels.json", {"a.png": [[1, 1, 5, 5]]})
        write_image(tmp_path / "b.png")

        (note,) = read_dataset(tmp_path).warnings

        assert note == "left out 1 pictures that labels.json does not list: b.png"

    def test_second_file_that_is_not_read_is_told(self, tmp_path):
        for part in ("train", "val"):
            write_coco(tmp_path / f"{part}.json", {f"{part}.png": [[1, 1, 5, 5]]})

        (note,) = read_dataset(tmp_path).warnings

        assert note == "read train.json alone, and not val.json beside it"

    @pytest.mark.parametrize("part", ["valid", "val", "test"])
    def test_folder_that_only_has_a_part_below_it_says_so(self, tmp_path, part):
        write_coco(tmp_path / part / "labels.json", {"a.png": [[1, 1, 5, 5]]})

        with pytest.raises(DatasetError, match=f"there are some in .*{part}: give that folder"):
            read_dataset(tmp_path)

    def test_only_part_of_a_split_is_all(self, tmp_path):
        write_coco(tmp_path / "valid" / "labels.json", {"a.png": [[1, 1, 5, 5]]})

        alone, apart = read_split(tmp_path)

        assert len(alone) == 1 and apart is None


class TestVoc:
    SWAPPED = ("nut", (20, 9, 5, 3))

    def test_box_with_swapped_corners_is_left_out_and_told_as_such(self, tmp_path):
        write_image(tmp_path / "a.png")
        write_voc(tmp_path / "a.xml", self.SWAPPED, ("nut", (2, 2, 9, 9)))

        data = read_dataset(tmp_path)

        assert data.counts == {"nut": 1}
        (note,) = data.warnings
        assert note.startswith("left out 1 of 2 boxes, whose corners are swapped (xmin > xmax")

    def test_many_swapped_corners_are_refused_by_name(self, tmp_path):
        write_image(tmp_path / "a.png")
        write_voc(tmp_path / "a.xml", *[self.SWAPPED] * 6, ("nut", (2, 2, 9, 9)))

        with pytest.raises(DatasetError, match=r"6 of 7 boxes have their corners .*a\.xml"):
            read_dataset(tmp_path)

    def test_two_images_of_one_name_are_named(self, tmp_path):
        """The boxes would go to whichever comes last."""
        write_image(tmp_path / "a.png")
        write_image(tmp_path / "more" / "a.jpg")
        write_voc(tmp_path / "a.xml", ("nut", (2, 2, 9, 9)))

        with pytest.raises(DatasetError, match=r"a\.xml may be about .*a\.png or .*a\.jpg"):
            read_dataset(tmp_path)

    def test_one_file_about_all_images_is_named(self, tmp_path):
        write_image(tmp_path / "a.png")
        write_voc(tmp_path / "a.xml", ("nut", (2, 2, 9, 9)))
        (tmp_path / "annotations.xml").write_text("<annotations><image/></annotations>")

        with pytest.raises(DatasetError, match="CVAT's own form"):
            read_dataset(tmp_path)


class TestYolo:
    @pytest.mark.parametrize(
        ("names", "line", "label"),
        [
            ("names: {1: bolt, 2: nut}", "1 0.5 0.5 0.5 0.5", "bolt"),
            ("names: {2: nut, 10: bolt}", "10 0.5 0.5 0.5 0.5", "bolt"),
            ("names: {'10': bolt, '9': nut}", "9 0.5 0.5 0.5 0.5", "nut"),
            ("names: [on, no]", "1 0.5 0.5 0.5 0.5", "no"),
            ("names: [1.50, 007]", "0 0.5 0.5 0.5 0.5", "1.50"),
            ("names:\n- bolt\n- nut\n", "1.0 0.5 0.5 0.5 0.5", "nut"),
        ],
    )
    def test_class_is_the_one_that_its_number_names(self, tmp_path, names, line, label):
        """Not the one at that place of the list; and names are text, whatever YAML makes of it."""
        data = read_dataset(write_yolo(tmp_path, line, names))

        assert {name for name, count in data.counts.items() if count} == {label}

    @pytest.mark.parametrize("names", ["names: bolt", "names: {bolt: 0}", "nc: 2", "names: [[a]]"])
    def test_names_in_no_known_form_are_refused(self, tmp_path, names):
        with pytest.raises(DatasetError, match="write names:"):
            read_dataset(write_yolo(tmp_path, "0 0.5 0.5 0.5 0.5", names))

    def test_blank_line_among_the_names_is_refused(self, tmp_path):
        """Whether it has a number is anybody's guess, and all classes after it hang on that."""
        write_yolo(tmp_path, "1 0.5 0.5 0.5 0.5")
        (tmp_path / "classes.txt").write_text("bolt\n\nnut\n\n")

        with pytest.raises(DatasetError, match=r"classes\.txt, line 2, is blank"):
            read_dataset(tmp_path)

    @pytest.mark.parametrize("second", ["1: pin", "01: pin"])
    def test_number_with_two_names_is_an_error(self, tmp_path, second):
        """The last one would count, and all objects of it be another class."""
        names = f"names:\n  0: bolt\n  1: nut\n  {second}\n"

        with pytest.raises(DatasetError, match=r"data\.yaml gives 0?1 twice"):
            read_dataset(write_yolo(tmp_path, "1 0.5 0.5 0.5 0.5", names))

    def test_names_that_are_there_twice_are_one_class(self, tmp_path):
        write_yolo(tmp_path, "0 0.5 0.5 0.5 0.5\n1 0.5 0.5 0.5 0.5", "names: [nut, nut]")

        data = read_dataset(tmp_path)

        assert data.counts == {"nut": 2}
        assert data.warnings == ("2 classes are called 'nut': took them for one",)

    @pytest.mark.parametrize(
        ("listed", "notes"),
        [
            (b"bolt\r\nnut\n\n", []),
            (b"nut\nbolt\n", ["classes.txt has other classes than data.yaml, or another order"]),
            (b"dog\nbolt\nnut\n", ["classes.txt has other classes than data.yaml"]),
            (b"bolt\nm\xfctter\n", ["classes.txt has other classes than data.yaml"]),
        ],
    )
    def test_two_files_that_name_classes_otherwise_are_told(self, tmp_path, listed, notes):
        write_yolo(tmp_path, "1 0.5 0.5 0.5 0.5", "names: [bolt, nut]")
        (tmp_path / "classes.txt").write_bytes(listed)

        data = read_dataset(tmp_path)

        assert data.counts == {"bolt": 0, "nut": 1} and len(data.warnings) == len(notes)
        assert all(told.startswith(note) for told, note in zip(data.warnings, notes, strict=True))

    def test_number_of_classes_that_contradicts_their_names_is_told(self, tmp_path):
        write_yolo(tmp_path, "1 0.5 0.5 0.5 0.5", "nc: 3\nnames: [bolt, nut]")

        (note,) = read_dataset(tmp_path).warnings

        assert note == "data.yaml says nc: 3, and names 2 classes: took these"

    def test_confidence_in_a_line_is_called_so(self, tmp_path):
        write_yolo(tmp_path, "0 0.5 0.5 0.5 0.5 0.93")

        with pytest.raises(DatasetError, match=r"a\.txt, line 1, .*the confidence of a detector"):
            read_dataset(tmp_path)

    def test_points_of_a_pose_are_no_outline(self, tmp_path):
        names = "kpt_shape: [2, 2]\nnames: [nut]"
        data = read_dataset(write_yolo(tmp_path, "0 0.5 0.5 0.5 0.2 0.9 0.9 0.1 0.1", names))

        assert data.images[0].boxes.tolist() == [[10, 12, 30, 18]]

    def test_texts_and_images_without_a_counterpart_are_told(self, tmp_path):
        write_yolo(tmp_path, "0 0.5 0.5 0.5 0.5")
        write_image(tmp_path / "bare.png")
        (tmp_path / "lost.txt").write_text("1 0.5 0.5 0.5 0.5")
        (tmp_path / "README.txt").write_text("Exported on a Monday")

        assert read_dataset(tmp_path).warnings == (
            "left out 1 text files without an image: lost.txt",
            "1 of 2 images have no text file and count as images without objects: bare.png",
        )

    def test_images_without_any_text_are_refused(self, tmp_path):
        """A folder that is called label instead of labels makes everything background."""
        write_image(tmp_path / "images" / "a.png")
        (tmp_path / "labels").mkdir()
        (tmp_path / "classes.txt").write_text("nut\n")

        with pytest.raises(DatasetError, match=r"that of a\.png would be .*labels/a\.txt"):
            read_dataset(tmp_path)


def turned_jpeg(orientation: int, order: str = "big") -> bytes:
    """A JPEG file with an EXIF head that says how it is to be turned."""
    packed = cv2.imencode(".jpg", np.full((30, 40, 3), 90, np.uint8))[1].tobytes()

    def number(value: int, size: int) -> bytes:
        return value.to_bytes(size, order)  # type: ignore[arg-type]

    entry = number(0x0112, 2) + number(3, 2) + number(1, 4) + number(orientation, 2) + b"\0\0"
    head = b"MM" if order == "big" else b"II"
    tiff = head + number(42, 2) + number(8, 4) + number(1, 2) + entry + number(0, 4)
    exif = b"Exif\0\0" + tiff
    return packed[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + packed[2:]


class TestPictures:
    @pytest.mark.parametrize("order", ["big", "little"])
    def test_turning_by_exif_is_seen(self, order):
        assert [is_turned(turned_jpeg(number, order)) for number in (1, 3, 6, 8)] == [
            *(False, True, True, True)
        ]
        assert not is_turned(turned_jpeg(6)[:24]) and not is_turned(b"")

    def test_boxes_on_a_turned_picture_are_told(self, tmp_path):
        """Nothing shows which way its labels were drawn, where they do not say the size."""
        (tmp_path / "a.jpg").write_bytes(turned_jpeg(6))
        (tmp_path / "a.txt").write_text("0 0.5 0.5 0.5 0.5")
        (tmp_path / "classes.txt").write_text("nut\n")

        data = read_dataset(tmp_path)

        assert (data.images[0].width, data.images[0].height) == (30, 40)
        (note,) = data.warnings
        assert note.startswith("1 of 1 images are turned by their EXIF data")

    @pytest.mark.parametrize("suffix", [".heic", ".AVIF", ".gif"])
    def test_pictures_of_other_kinds_are_told(self, tmp_path, suffix):
        """They are not read, and so left out: with what would be right."""
        write_coco(tmp_path / "labels.json", {"a.png": [[1, 1, 5, 5]]})
        (tmp_path / f"b{suffix}").write_bytes(b"x")

        (note,) = read_dataset(tmp_path).warnings

        assert note.endswith(f"convert them to .jpg or .png: b{suffix}")

    def test_folder_of_other_pictures_says_what_it_holds(self, tmp_path):
        for number in range(3):
            (tmp_path / f"{number}.heic").write_bytes(b"x")

        with pytest.raises(DatasetError, match=r"3 \.heic, which are not read here: convert"):
            read_dataset(tmp_path)

    @pytest.mark.parametrize(
        ("content", "kind"),
        [
            (b"\0\0\0\x18ftypheic", "a HEIC, convert"),
            (b"\0\0\0\x18ftypavif", "an AVIF, convert"),
            (b"GIF89a", "a GIF"),
            (b"<!DOCTYPE html>", "a web page"),
        ],
    )
    def test_picture_that_is_something_else_says_what(self, tmp_path, content, kind):
        """As telephones and downloads name them."""
        write_voc(tmp_path / "a.xml", ("nut", (2, 2, 9, 9)))
        (tmp_path / "a.jpg").write_bytes(content)

        with pytest.raises(DatasetError, match=rf"a\.jpg cannot be read as an image: it is {kind}"):
            read_dataset(tmp_path)


BOXES = [(2, 1, 9, 6), (16, 8, 24, 14), (22, 2, 30, 9), (3, 15, 11, 22), (24, 14, 31, 23)]


def write_boxes(folder: Path, form: str, numbers: Sequence[Sequence[float]]) -> Path:
    """An image of 32 x 24 with boxes of four numbers each, in one of the forms."""
    write_image(folder / "a.png", 32, 24)
    if form == "yolo":
        lines = [f"0 {' '.join(map(str, one))}" for one in numbers]
        write_yolo(folder, "\n".join(lines))
        write_image(folder / "a.png", 32, 24)
    elif form == "voc":
        objects = [("nut", tuple(one)) for one in numbers]
        write_voc(folder / "a.xml", *objects, size=(32, 24))
    else:
        annotations = [found(1, id=k, bbox=one) for k, one in enumerate(numbers)]
        write_json(folder, [category(1, "nut")], annotations)
        write_image(folder / "a.png", 32, 24)
    return folder


class TestOtherFormsOfBoxes:
    """Four numbers that are not what the form has: seen, and told or refused."""

    SIDES = np.array([32, 24, 32, 24])

    @pytest.mark.parametrize("form", ["coco", "yolo"])
    def test_two_corners_are_taken_for_what_they_are_and_told(self, tmp_path, form):
        sides = self.SIDES if form == "yolo" else np.ones(4)
        write_boxes(tmp_path, form, (np.array(BOXES) / sides).tolist())

        data = read_dataset(tmp_path)

        assert data.images[0].boxes == pytest.approx(np.array(BOXES), abs=1e-4)
        assert any("[left, top, right, bottom]" in note for note in data.warnings)

    @pytest.mark.parametrize("form", ["coco", "yolo"])
    def test_boxes_that_hang_over_the_edge_stay_what_they_are(self, tmp_path, form):
        """A form in which nothing fits is no better one: they are clipped, and it is told."""
        over = [[x0 - 8, y0 - 8, x1 + 8, y1 + 8] for x0, y0, x1, y1 in BOXES]
        sizes: list[list[float]] = [[x0, y0, x1 - x0, y1 - y0] for x0, y0, x1, y1 in over]
        if form == "yolo":
            sizes = [[x + w / 2, y + h / 2, w, h] for x, y, w, h in sizes]
        sides = self.SIDES if form == "yolo" else np.ones(4)
        write_boxes(tmp_path, form, (np.array(sizes) / sides).tolist())

        data = read_dataset(tmp_path)

        limits = np.array([32, 24, 32, 24])
        assert data.images[0].boxes == pytest.approx(np.clip(over, 0, limits), abs=1e-4)
        assert data.warnings[0].startswith("clipped")

    def test_middles_and_corners_that_cannot_be_told_apart_are_refused(self, tmp_path):
        """Read as either they fit, and as a corner and a size they do not."""
        write_boxes(tmp_path, "coco", [[14, 10, 20, 15]] * 5)

        with pytest.raises(DatasetError, match="cannot be told"):
            read_dataset(tmp_path)

    @pytest.mark.parametrize("form", ["coco", "voc"])
    @pytest.mark.parametrize("sized", [False, True])
    def test_shares_of_the_image_are_refused_where_the_form_has_pixels(self, tmp_path, form, sized):
        shares = np.array(BOXES) / self.SIDES
        if sized and form == "coco":
            shares[:, 2:] -= shares[:, :2]
        write_boxes(tmp_path, form, shares.tolist())

        with pytest.raises(DatasetError, match="shares of the image, 0 to 1"):
            read_dataset(tmp_path)

    def test_single_share_among_pixels_is_left_out_and_told(self, tmp_path):
        pixels: list[list[float]] = [[x0, y0, x1 - x0, y1 - y0] for x0, y0, x1, y1 in BOXES]
        write_boxes(tmp_path, "coco", [*pixels, [0.2, 0.3, 0.1, 0.1]])

        data = read_dataset(tmp_path)

        assert data.counts == {"nut": 5}
        assert "left out 1 of 6 boxes, which lie in the first two pixels" in data.warnings[0]

    def test_objects_that_are_there_twice_are_told(self, tmp_path):
        pixels: list[list[float]] = [[x0, y0, x1 - x0, y1 - y0] for x0, y0, x1, y1 in BOXES]
        write_boxes(tmp_path, "coco", [*pixels, *pixels])

        (note,) = read_dataset(tmp_path).warnings

        assert note.startswith("5 of 10 boxes repeat one of the same class in their image")


def test_pipe_and_folder_that_are_called_a_picture_are_none(tmp_path):
    """Whoever opened the pipe would wait for ever."""
    write_yolo(tmp_path, "0 0.5 0.5 0.5 0.5")
    os.mkfifo(tmp_path / "b.png")
    (tmp_path / "c.png").mkdir()

    assert len(read_dataset(tmp_path)) == 1


class TestOddPictures:
    def test_text_that_may_be_about_two_pictures_is_an_error(self, tmp_path):
        """A photograph and its mask: half of the images would be masks with objects."""
        write_yolo(tmp_path, "0 0.5 0.5 0.5 0.5")
        write_image(tmp_path / "a.jpg")

        with pytest.raises(DatasetError, match=r"a\.txt may be about .*a\.jpg or .*a\.png"):
            read_dataset(tmp_path)

    def test_pictures_of_one_name_in_two_folders_have_texts_of_their_own(self, tmp_path):
        write_yolo(tmp_path, "0 0.5 0.5 0.5 0.5")
        write_yolo(tmp_path / "more", "1 0.5 0.5 0.5 0.5")

        assert read_dataset(tmp_path).counts == {"bolt": 1, "nut": 1}

    def test_empty_upper_bits_are_told(self, tmp_path):
        """Read as OpenCV has it, the picture would be nearly black, and the model at fault."""
        write_yolo(tmp_path, "0 0.5 0.5 0.5 0.5")
        cv2.imwrite(str(tmp_path / "a.png"), np.full((30, 40, 3), 4000, np.uint16))

        data = read_dataset(tmp_path)

        assert "a.png: it uses 12 of its 16 bits: took 4095 for white" in data.warnings
        assert int(data.images[0].read().max()) == 250

    def test_picture_that_is_too_large_is_named(self, tmp_path, monkeypatch):
        """OpenCV's own error has forty lines, and not the file."""
        write_yolo(tmp_path, "0 0.5 0.5 0.5 0.5")

        def refuse(*_: object) -> None:
            raise cv2.error("validateInputImageSize: pixels <= CV_IO_MAX_IMAGE_PIXELS")

        monkeypatch.setattr(cv2, "imdecode", refuse)

        with pytest.raises(DatasetError, match=r"a\.png cannot be read as an image: .* too large"):
            read_dataset(tmp_path)
