"""Which images of a folder are for what: by lists, by what it says, or by names; told, always."""

import json
from pathlib import Path

import pytest

from edge.release.datasets.annotations import Dataset, read_split
from edge.release.errors import DatasetError
from tests.edge.release.datasets.test_annotations import write_coco, write_image, write_voc

TEXT = "0 0.5 0.5 0.5 0.5"


def write_yolo(folder: Path, *images: str, yaml: str = "") -> Path:
    """Images with a text beside each; yaml: of data.yaml, before the names."""
    for name in images:
        write_image(folder / name)
        (folder / name).with_suffix(".txt").write_text(TEXT)
    (folder / "data.yaml").write_text(f"{yaml}\nnames: [bolt]\n")
    return folder


def write_lists(folder: Path, **lists: str) -> Path:
    """Images a to d, as Pascal VOC has them, and its lists."""
    for stem in "abcd":
        write_image(folder / "JPEGImages" / f"{stem}.png")
        write_voc(folder / "Annotations" / f"{stem}.xml", ("nut", (2, 2, 9, 9)))
    place = folder / "ImageSets" / "Main"
    place.mkdir(parents=True)
    for name, content in lists.items():
        (place / f"{name}.txt").write_text(content)
    return folder


def names(data: Dataset | None) -> list[str]:
    assert data is not None
    return [image.path.name for image in data.images]


def evaluated(folder: Path) -> Dataset:
    """What a model is measured by."""
    first, held = read_split(folder, apart=("val", "test"))
    return held or first


class TestParts:
    def test_test_is_measured_by_where_there_is_no_val(self, tmp_path):
        """What a model was trained on would flatter it."""
        write_yolo(tmp_path, "train/a.png", "test/b.png")

        data = evaluated(tmp_path)

        assert (names(data), data.part) == (["b.png"], "test")
        assert read_split(tmp_path)[1] is None

    def test_val_goes_before_test(self, tmp_path):
        write_yolo(tmp_path, "train/a.png", "test/b.png", "valid/c.png")

        assert (names(evaluated(tmp_path)), evaluated(tmp_path).part) == (["c.png"], "val")

    def test_train_alone_is_known_as_such(self, tmp_path):
        write_yolo(tmp_path, "train/a.png")

        assert evaluated(tmp_path).part == "train"

    def test_folder_without_parts_is_no_part(self, tmp_path):
        write_yolo(tmp_path, "a.png")

        assert evaluated(tmp_path).part == ""


class TestYolo:
    @pytest.mark.parametrize("entry", ["images/test", "./images/test", "../images/test"])
    def test_part_lies_where_data_yaml_says(self, tmp_path, entry):
        write_yolo(
            tmp_path, "images/train/a.png", "images/test/b.png", yaml=f"path: .\nval: {entry}"
        )

        train, val = read_split(tmp_path)

        assert (names(train), names(val)) == (["a.png"], ["b.png"])

    def test_entry_that_leads_nowhere_here_leaves_the_folders(self, tmp_path):
        """It is of the machine that wrote it."""
        write_yolo(tmp_path, "images/train/a.png", "images/val/b.png", yaml="val: /home/me/valid")

        assert names(read_split(tmp_path)[1]) == ["b.png"]

    @pytest.mark.parametrize("yaml", ["", "train: train.txt\nval: val.txt"])
    @pytest.mark.parametrize("prefix", ["", "./", "data/obj/", "/home/me/data/"])
    def test_lists_beside_the_images_are_read(self, tmp_path, yaml, prefix):
        """As darknet has them."""
        write_yolo(tmp_path, "a.png", "b.png", "c.png", yaml=yaml)
        (tmp_path / "train.txt").write_text(f"{prefix}a.png\n{prefix}b.png\n")
        (tmp_path / "val.txt").write_text(f"{prefix}c.png\n\n")

        train, val = read_split(tmp_path)

        assert (names(train), names(val)) == (["a.png", "b.png"], ["c.png"])
        assert val is not None and (train.warnings, val.warnings) == ((), ())

    def test_listed_images_that_are_not_there_are_told(self, tmp_path):
        write_yolo(tmp_path, "a.png", "b.png")
        (tmp_path / "val.txt").write_text("b.png\nc.png\nd.png\n")

        data = evaluated(tmp_path)

        assert "2 of 3 images that val.txt lists are not there: c.png, d.png" in data.warnings

    def test_list_of_which_nothing_is_there_is_an_error(self, tmp_path):
        write_yolo(tmp_path, "a.png")
        (tmp_path / "val.txt").write_text("b.png\n")

        with pytest.raises(DatasetError, match=r"1 of 1 images that val\.txt lists are not there"):
            evaluated(tmp_path)

    def test_text_of_a_picture_called_val_is_no_list(self, tmp_path):
        write_yolo(tmp_path, "a.png", "val.png")

        assert names(evaluated(tmp_path)) == ["a.png", "val.png"]

    def test_part_with_the_images_of_train_is_not_kept_apart(self, tmp_path):
        """Some name the same folder for both: a share has to be held out then."""
        write_yolo(tmp_path, "images/all/a.png", yaml="train: images/all\nval: images/all")

        train, val = read_split(tmp_path)

        assert val is None and train.part == "train"
        assert "val has no images but those of train: not kept apart" in train.warnings

    def test_images_in_two_parts_are_told(self, tmp_path):
        write_yolo(tmp_path, "a.png", "b.png", "c.png")
        (tmp_path / "train.txt").write_text("a.png\nb.png\n")
        (tmp_path / "val.txt").write_text("b.png\nc.png\n")

        assert "1 of 2 images are in train too" in evaluated(tmp_path).warnings


class TestCoco:
    @pytest.mark.parametrize("name", ["instances_trainval", "train_val"])
    def test_one_file_is_not_two_parts(self, tmp_path, name):
        write_coco(tmp_path / f"{name}.json", {"a.png": [[1, 1, 5, 5]]})

        train, val = read_split(tmp_path)

        assert names(train) == ["a.png"] and val is None

    @pytest.mark.parametrize("name", ["evaluation", "constrained", "latest"])
    def test_word_that_holds_a_part_s_name_is_none(self, tmp_path, name):
        write_coco(tmp_path / f"{name}.json", {"a.png": [[1, 1, 5, 5]]})

        assert evaluated(tmp_path).part == ""

    @pytest.mark.parametrize(("train", "val"), [("train", "val"), ("a_train2017", "validation")])
    def test_file_that_is_of_no_part_is_told(self, tmp_path, train, val):
        for name in (train, val, "more"):
            write_coco(tmp_path / f"{name}.json", {f"{name}.png": [[1, 1, 5, 5]]})

        data = evaluated(tmp_path)

        assert names(data) == [f"{val}.png"]
        assert f"read {val}.json alone, and not more.json beside it" in data.warnings


class TestPascalVoc:
    def test_trainval_and_test_are_parts(self, tmp_path):
        """As the first of these data sets has them."""
        write_lists(tmp_path, trainval="a\nb\n", test="c\n")

        train, held = read_split(tmp_path, apart=("val", "test"))

        assert (names(train), names(held)) == (["a.png", "b.png"], ["c.png"])

    def test_listed_images_that_are_not_there_are_told(self, tmp_path):
        """A perfect result on four of them says little."""
        write_lists(tmp_path, val="a\ne\nf\n")

        assert evaluated(tmp_path).warnings == (
            "2 of 3 images that val.txt lists are not there: e, f",
        )

    @pytest.mark.parametrize("line", ["a.png", "JPEGImages/a.png", "a.xml", "a 1"])
    def test_list_may_have_suffixes(self, tmp_path, line):
        write_lists(tmp_path, val=f"{line}\n")

        assert names(evaluated(tmp_path)) == ["a.png"]

    def test_list_of_which_nothing_is_there_is_an_error(self, tmp_path):
        write_lists(tmp_path, val="e\nf\n")

        with pytest.raises(DatasetError, match=r"val\.txt lists e, f: no image of the folder is"):
            evaluated(tmp_path)

    def test_list_that_is_of_no_part_is_told(self, tmp_path):
        write_lists(tmp_path, good="a\n")

        assert evaluated(tmp_path).warnings == ("read all images, and not by good.txt",)


def test_two_names_that_lead_to_one_picture_are_an_error(tmp_path):
    """The folders of two cameras are gone: whose picture it is, nobody knows."""
    write_coco(tmp_path / "a.json", {"0.png": [[1, 1, 5, 5]], "1.png": []})
    content = json.loads((tmp_path / "a.json").read_text())
    content["images"][0]["file_name"] = "cam0/0.png"
    content["images"][1]["file_name"] = "cam1/0.png"
    (tmp_path / "a.json").write_text(json.dumps(content))

    with pytest.raises(DatasetError, match=r"cam0/0\.png and cam1/0\.png"):
        evaluated(tmp_path)
