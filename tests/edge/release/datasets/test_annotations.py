"""Labelled images in each format; what is mended is told, and what cannot be is named."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.release.datasets import annotations
from edge.release.datasets.annotations import read_dataset, read_split
from edge.release.datasets.raw_image import AnnotationFormat, RawImage, RawPart
from edge.release.errors import DatasetError
from tests.edge.device.samples import DATA, needs_data

WIDTH, HEIGHT = 40, 30


def write_image(path: Path, width: int = WIDTH, height: int = HEIGHT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((height, width, 3), 90, np.uint8))
    return path


def write_voc(
    file: Path,
    *objects: tuple[str, tuple[float, ...]],
    size: tuple[int, int] = (WIDTH, HEIGHT),
    difficult: int = 0,
) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    found = "".join(
        f"<object><name>{name}</name><difficult>{difficult}</difficult><bndbox>"
        f"<xmin>{box[0]}</xmin><ymin>{box[1]}</ymin><xmax>{box[2]}</xmax><ymax>{box[3]}</ymax>"
        "</bndbox></object>"
        for name, box in objects
    )
    width, height = size
    file.write_text(
        f"<annotation><size><width>{width}</width><height>{height}</height></size>{found}"
        "</annotation>"
    )


def write_coco(file: Path, boxes: dict[str, list[list[float]]], **more: object) -> None:
    """One category; images are made."""
    images, annotations = [], []
    for number, (name, found) in enumerate(boxes.items(), 1):
        write_image(file.parent / name)
        images.append({"id": number, "file_name": name})
        annotations += [{"image_id": number, "category_id": 7, "bbox": box} for box in found]
    categories = [{"id": 7, "name": "nut"}]
    content = {"images": images, "annotations": annotations, "categories": categories, **more}
    file.write_text(json.dumps(content))


class TestPascalVoc:
    def test_boxes_count_from_zero_and_end_outside(self, tmp_path):
        """VOC's first pixel is 1 and its last belongs to the box."""
        write_image(tmp_path / "a.png")
        write_voc(tmp_path / "a.xml", ("nut", (1, 1, 10, 5)), ("bolt", (3, 2, 40, 30)))

        found = read_dataset(tmp_path)

        assert found.labels == ("bolt", "nut")
        (image,) = found.images
        assert image.boxes.tolist() == [[0, 0, 10, 5], [2, 1, 40, 30]]
        assert image.class_ids.tolist() == [1, 0]
        assert found.warnings == ()

    def test_a_zero_shows_that_pixels_count_from_zero(self, tmp_path):
        """No box is moved then, in no file."""
        write_image(tmp_path / "a.png")
        write_image(tmp_path / "b.png")
        write_voc(tmp_path / "a.xml", ("nut", (0, 4, 10, 12)))
        write_voc(tmp_path / "b.xml", ("nut", (3, 4, 10, 12)))

        boxes = [image.boxes.tolist() for image in read_dataset(tmp_path).images]

        assert boxes == [[[0, 4, 10, 12]], [[3, 4, 10, 12]]]

    def test_box_without_area_is_left_out_and_told(self, tmp_path):
        """A slip of the mouse is no object, and no secret."""
        write_image(tmp_path / "a.png")
        write_voc(tmp_path / "a.xml", ("nut", (5, 5, 5, 9)), ("nut", (2, 2, 9, 9)))

        found = read_dataset(tmp_path)

        assert found.counts == {"nut": 1}
        assert found.warnings == (
            "left out 1 of 2 boxes, which have no area or lie outside the image: a.xml",
        )

    def test_box_that_sticks_out_is_clipped_and_told(self, tmp_path):
        """What is outside cannot be found."""
        write_image(tmp_path / "a.png")
        write_voc(tmp_path / "a.xml", ("nut", (31, 1, 55, 20)), ("nut", (1, 1, 9, 9)))

        found = read_dataset(tmp_path)

        assert found.images[0].boxes[0].tolist() == [30, 0, WIDTH, 20]
        assert found.warnings == ("clipped 1 of 2 boxes, which stick out of the image: a.xml",)

    def test_boxes_that_belong_elsewhere_are_an_error(self, tmp_path):
        """Many boxes outside mean other pictures, or other units."""
        write_image(tmp_path / "a.png")
        write_voc(tmp_path / "a.xml", *[("nut", (100 + k, 100, 120 + k, 120)) for k in range(6)])

        with pytest.raises(DatasetError, match=r"6 of 6 boxes .* first in .*a\.xml"):
            read_dataset(tmp_path)

    def test_folders_of_the_original_and_its_lists_are_read(self, tmp_path):
        """Annotations, JPEGImages, and which of them are for what."""
        for stem in ("a", "b", "c"):
            write_image(tmp_path / "JPEGImages" / f"{stem}.png")
            write_voc(tmp_path / "Annotations" / f"{stem}.xml", ("nut", (2, 2, 9, 9)))
        lists = tmp_path / "ImageSets" / "Main"
        lists.mkdir(parents=True)
        (lists / "train.txt").write_text("c\na\n")
        (lists / "val.txt").write_text("b\n")

        train, val = read_split(tmp_path)

        assert [image.path.stem for image in train.images] == ["a", "c"]
        assert val is not None and [image.path.stem for image in val.images] == ["b"]

    def test_all_parts_count_pixels_alike(self, tmp_path):
        """A 0 in one part tells it of the other too: else one would be shifted."""
        for part, left in (("train", 0), ("val", 3)):
            write_image(tmp_path / part / "a.png")
            write_voc(tmp_path / part / "a.xml", ("nut", (left, 4, 10, 12)))

        train, val = read_split(tmp_path)

        assert train.images[0].boxes.tolist() == [[0, 4, 10, 12]]
        assert val is not None and val.images[0].boxes.tolist() == [[3, 4, 10, 12]]

    def test_blank_lines_of_a_list_name_nothing(self, tmp_path):
        """Editors leave them."""
        write_image(tmp_path / "JPEGImages" / "a.png")
        write_voc(tmp_path / "Annotations" / "a.xml", ("nut", (2, 2, 9, 9)))
        lists = tmp_path / "ImageSets" / "Main"
        lists.mkdir(parents=True)
        (lists / "train.txt").write_text("a\n  \n\n")

        assert len(read_split(tmp_path)[0]) == 1

    def test_difficult_objects_are_ignored(self, tmp_path):
        """They are known, and count neither way."""
        write_image(tmp_path / "a.png")
        write_voc(tmp_path / "a.xml", ("nut", (2, 2, 9, 9)), difficult=1)

        found = read_dataset(tmp_path)

        assert found.images[0].ignored.tolist() == [True]
        assert found.counts == {"nut": 0}

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("<annotation>", "a.xml cannot be read as XML"),
            ("<a><object><bndbox/></object></a>", "object without a name"),
            ("<a><object><name>nut</name></object></a>", "without a whole bndbox"),
        ],
    )
    def test_damaged_annotation_is_named(self, tmp_path, content, message):
        """With what is wrong with it."""
        write_image(tmp_path / "a.png")
        (tmp_path / "a.xml").write_text(content)

        with pytest.raises(DatasetError, match=message):
            read_dataset(tmp_path)

    def test_image_of_another_size_is_an_error(self, tmp_path):
        """Boxes would lie elsewhere, and everything would be wrong."""
        write_image(tmp_path / "a.png")
        write_voc(tmp_path / "a.xml", ("nut", (2, 2, 9, 9)), size=(80, 60))

        with pytest.raises(DatasetError, match=r"80 x 60 pixels, but a\.png has 40 x 30"):
            read_dataset(tmp_path)

    def test_image_and_annotation_need_each_other(self, tmp_path):
        """One alone was forgotten, or is too much."""
        write_image(tmp_path / "a.png")
        write_voc(tmp_path / "b.xml", ("nut", (2, 2, 9, 9)))
        with pytest.raises(DatasetError, match=r"a\.png has no annotation; write a\.xml"):
            read_dataset(tmp_path)

        (tmp_path / "a.png").unlink()
        with pytest.raises(DatasetError, match=r"b\.xml has no image"):
            read_dataset(tmp_path)


class TestCoco:
    def test_categories_keep_their_order(self, tmp_path):
        """By number, without one that stands for nothing."""
        write_image(tmp_path / "a.png")
        content = {
            "categories": [
                {"id": 5, "name": "bolt"},
                {"id": 2, "name": "nut"},
                {"id": 0, "name": "background"},
            ],
            "images": [{"id": 9, "file_name": "a.png", "width": WIDTH, "height": HEIGHT}],
            "annotations": [
                {"image_id": 9, "category_id": 5, "bbox": [4, 3, 10, 6]},
                {"image_id": 9, "category_id": 2, "bbox": [0, 0, 8, 8], "iscrowd": 1},
            ],
        }
        (tmp_path / "instances.json").write_text(json.dumps(content))

        found = read_dataset(tmp_path)

        assert found.labels == ("nut", "bolt")
        assert found.images[0].boxes.tolist() == [[4, 3, 14, 9], [0, 0, 8, 8]]
        assert found.images[0].ignored.tolist() == [False, True]

    def test_middles_for_corners_are_noticed(self, tmp_path):
        """Some programs write the middle of a box; it shows when boxes stick out."""
        boxes: list[list[float]] = [[30, 20, 18, 18], [12, 20, 20, 20], [8, 8, 4, 4]]
        write_coco(tmp_path / "labels.json", {"a.png": boxes, "b.png": boxes})

        found = read_dataset(tmp_path)

        assert found.images[0].boxes[0].tolist() == [21, 11, 39, 29]
        assert len(found.warnings) == 1 and "4 of 6 boxes" in found.warnings[0]

    def test_images_are_found_where_their_programs_put_them(self, tmp_path):
        """In images/, beside annotations/, and whatever path another machine has noted."""
        write_image(tmp_path / "val2017" / "a.png")
        (tmp_path / "annotations").mkdir()
        content = {
            "categories": [{"id": 1, "name": "nut"}],
            "images": [{"id": 1, "file_name": "/home/other/val2017/a.png"}],
            "annotations": [{"image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9]}],
        }
        file = tmp_path / "annotations" / "instances_val2017.json"
        file.write_text(json.dumps(content))

        (image,) = read_dataset(tmp_path).images

        assert image.path == tmp_path / "val2017" / "a.png"

    def test_missing_image_is_named(self, tmp_path):
        """With the file that names it."""
        write_coco(tmp_path / "labels.json", {"a.png": [[1, 1, 5, 5]]})
        (tmp_path / "a.png").unlink()

        with pytest.raises(DatasetError, match=r"labels\.json names a\.png, which is not there"):
            read_dataset(tmp_path)

    def test_unknown_category_is_an_error(self, tmp_path):
        """It says what an annotation needs."""
        write_coco(
            tmp_path / "labels.json",
            {"a.png": []},
            annotations=[{"image_id": 1, "category_id": 8, "bbox": [1, 1, 5, 5]}],
        )

        with pytest.raises(DatasetError, match="each annotation needs image_id, category_id"):
            read_dataset(tmp_path)

    def test_other_json_files_are_no_annotations(self, tmp_path):
        """Only what has COCO's three lists."""
        write_coco(tmp_path / "labels.json", {"a.png": [[1, 1, 5, 5]]})
        (tmp_path / "a-manifest.json").write_text("[1, 2]")

        assert len(read_dataset(tmp_path)) == 1


class TestYolo:
    def write(self, folder: Path, line: str) -> None:
        write_image(folder / "a.png")
        (folder / "a.txt").write_text(f"{line}\n")
        (folder / "classes.txt").write_text("bolt\nnut\n")

    def test_boxes_are_shares_of_the_image(self, tmp_path):
        """Middle, width and height."""
        self.write(tmp_path, "1 0.5 0.5 0.5 0.2")

        found = read_dataset(tmp_path)

        assert found.labels == ("bolt", "nut")
        assert found.images[0].boxes.tolist() == [[10, 12, 30, 18]]
        assert found.images[0].class_ids.tolist() == [1]

    def test_outlines_become_boxes(self, tmp_path):
        """As in data sets for segmentation."""
        self.write(tmp_path, "0 0.25 0.5 0.5 0.1 0.75 0.9")

        assert read_dataset(tmp_path).images[0].boxes.tolist() == [[10, 3, 30, 27]]

    def test_image_without_text_has_no_objects(self, tmp_path):
        """That is how YOLO has background."""
        self.write(tmp_path, "0 0.5 0.5 0.5 0.5")
        write_image(tmp_path / "b.png")

        assert [len(image.boxes) for image in read_dataset(tmp_path).images] == [1, 0]

    def test_split_and_names_of_a_data_yaml(self, tmp_path):
        """images/train, images/val, labels/train, labels/val."""
        for part in ("train", "val"):
            write_image(tmp_path / "images" / part / f"{part}.png")
            (tmp_path / "labels" / part).mkdir(parents=True)
            (tmp_path / "labels" / part / f"{part}.txt").write_text("1 0.5 0.5 0.5 0.5")
        (tmp_path / "data.yaml").write_text("names: {1: nut, 0: bolt}\n")

        train, val = read_split(tmp_path)

        assert val is not None
        assert train.labels == val.labels == ("bolt", "nut")
        assert [image.path.name for image in (*train.images, *val.images)] == [
            "train.png",
            "val.png",
        ]

    @pytest.mark.parametrize("line", ["2 0.5 0.5 0.5 0.5", "0 20 15 10 10", "0 0.5 0.5", "nut 1"])
    def test_line_that_makes_no_sense_is_shown(self, tmp_path, line):
        """With what would be right."""
        self.write(tmp_path, line)

        with pytest.raises(DatasetError, match=r"a\.txt, line 1, is .*; right would be the class"):
            read_dataset(tmp_path)

    @pytest.mark.parametrize("name", ["a.txt", "classes.txt"])
    def test_text_in_another_encoding_is_named(self, tmp_path, name):
        """As some editors write it."""
        self.write(tmp_path, "0 0.5 0.5 0.5 0.5")
        (tmp_path / name).write_text("bolt\nnut\n", "utf-16")

        with pytest.raises(DatasetError, match=f"{name} is no text in UTF-8"):
            read_dataset(tmp_path)

    def test_names_are_needed(self, tmp_path):
        """A number is no label."""
        self.write(tmp_path, "0 0.5 0.5 0.5 0.5")
        (tmp_path / "classes.txt").unlink()

        with pytest.raises(DatasetError, match=r"write classes\.txt, one name a line"):
            read_dataset(tmp_path)


class TestAll:
    def test_order_and_digest_follow_from_the_content(self, tmp_path):
        """Not from the order in which files were written; another box is another digest."""
        for folder, stems in (("one", "ab"), ("two", "ba")):
            for stem in stems:
                write_image(tmp_path / folder / f"{stem}.png")
                write_voc(tmp_path / folder / f"{stem}.xml", ("nut", (2, 2, 9, 9)))
        one, two = read_dataset(tmp_path / "one"), read_dataset(tmp_path / "two")
        write_voc(tmp_path / "two" / "b.xml", ("nut", (2, 2, 9, 10)))

        assert [image.path.name for image in two.images] == ["a.png", "b.png"]
        assert one.digest == two.digest != read_dataset(tmp_path / "two").digest

    def test_labels_can_be_given_their_order(self, tmp_path):
        """As a network has them; what is not among them is an error."""
        write_image(tmp_path / "a.png")
        write_voc(tmp_path / "a.xml", ("nut", (2, 2, 9, 9)))

        found, _ = read_split(tmp_path, ["washer", "nut"])
        assert found.labels == ("washer", "nut")
        assert found.images[0].class_ids.tolist() == [1]
        with pytest.raises(DatasetError, match=r"a\.xml: unknown label 'nut'; known are washer"):
            read_split(tmp_path, ["washer"])

    def test_image_that_is_none_is_named(self, tmp_path):
        """A file that was cut off, or is something else."""
        (tmp_path / "a.png").write_bytes(b"no picture")
        write_voc(tmp_path / "a.xml", ("nut", (2, 2, 9, 9)))

        with pytest.raises(DatasetError, match=r"a\.png cannot be read as an image"):
            read_dataset(tmp_path)

    def test_folder_without_annotations_says_what_is_missing(self, tmp_path):
        """And so does one that is not there."""
        write_image(tmp_path / "a.png")

        with pytest.raises(DatasetError, match="holds no annotations; put a Pascal VOC"):
            read_dataset(tmp_path)
        with pytest.raises(DatasetError, match="is no folder"):
            read_dataset(tmp_path / "nowhere")

    def test_subset_is_drawn_by_its_seed(self, tmp_path):
        """The same one each time, in the order of the paths, and with a digest of its own."""
        write_coco(tmp_path / "labels.json", {f"{k}.png": [[1, 1, 5, 5]] for k in range(9)})
        found = read_dataset(tmp_path)

        one, again = found.subset(4, seed=3), found.subset(4, seed=3)

        assert [image.path for image in one.images] == [image.path for image in again.images]
        assert sorted(image.path for image in one.images) == [i.path for i in one.images]
        assert one.digest == again.digest != found.digest
        assert found.subset(9) is found

    def test_split_has_the_labels_of_both_parts(self, tmp_path):
        """So that a class has the same number in both."""
        for part, label in (("train", "nut"), ("val", "bolt")):
            write_image(tmp_path / part / "a.png")
            write_voc(tmp_path / part / "a.xml", (label, (2, 2, 9, 9)))

        train, val = read_split(tmp_path)

        assert val is not None
        assert train.labels == val.labels == ("bolt", "nut")

    def test_folder_without_parts_is_all_for_training(self, tmp_path):
        """Who splits it, says how."""
        write_coco(tmp_path / "labels.json", {"a.png": [[1, 1, 5, 5]]})

        train, val = read_split(tmp_path)

        assert len(train) == 1 and val is None


def read_table(folder: Path) -> RawPart:
    """A format that the package does not know: one line of a table for each image."""
    table = folder / "boxes.csv"
    images = []
    for line in table.read_text().splitlines():
        name, label, *box = line.split(",")
        raw = RawImage(folder / name, table)
        x0, y0, x1, y1 = map(float, box)
        raw.add((x0, y0, x1, y1), label)
        images.append(raw)
    return RawPart(images)


def test_format_is_added_by_one_entry(tmp_path, monkeypatch):
    """Whole folders and folders of parts are read by it, and the others as before."""
    table = AnnotationFormat(
        holds=lambda folder: (folder / "boxes.csv").is_file(),
        read=lambda folder, _: read_table(folder),
        read_part=lambda folder, name: None,
    )
    monkeypatch.setattr(annotations, "FORMATS", (*annotations.FORMATS, table))
    for part in ("train", "val"):
        write_image(tmp_path / part / "a.png")
        (tmp_path / part / "boxes.csv").write_text("a.png,nut,2,3,9,8\n")
    write_coco(tmp_path / "labels.json", {"b.png": [[1, 1, 5, 5]]})

    train, val = read_split(tmp_path)

    assert train.images[0].boxes.tolist() == [[2, 3, 9, 8]]
    assert val is not None and val.counts == {"nut": 1}
    assert read_dataset(tmp_path).images[0].path.name == "b.png"


@needs_data
class TestRealData:
    def test_blood_cells_are_read_with_their_known_faults(self):
        """Two boxes without area, one in each part."""
        train, val = read_split(DATA / "bccd")

        assert val is not None and (len(train), len(val)) == (205, 87)
        assert train.labels == val.labels == ("Platelets", "RBC", "WBC")
        assert val.counts == {"Platelets": 83, "RBC": 967, "WBC": 87}
        assert [warning.split(":")[1] for warning in (*train.warnings, *val.warnings)] == [
            " BloodImage_00343.xml",
            " BloodImage_00338.xml",
        ]
        for image in (*train.images, *val.images):
            assert (image.boxes[:, :2] < image.boxes[:, 2:]).all()
            assert (image.boxes >= 0).all() and (image.boxes <= (640, 480, 640, 480)).all()

    def test_photos_whose_boxes_come_by_their_middle_are_understood(self):
        """Read as COCO says, every third box would stick out."""
        found = read_dataset(DATA / "coco5")

        assert len(found) == 5
        assert "17 of 57 boxes would stick out" in found.warnings[0]
