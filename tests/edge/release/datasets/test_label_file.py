"""Names of classes are read in every form that they are kept in, or refused by name."""

import json
import zipfile

import pytest

from edge.release.datasets.label_file import contradiction, open_labels, search_labels
from edge.release.errors import ModelFileError

BOTH = ("bolt", "nut")


@pytest.fixture
def labels_of(tmp_path):
    """Writes a file, and reads it."""

    def make(name: str, content: str | bytes):
        file = tmp_path / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return open_labels(file)

    return make


@pytest.mark.parametrize(
    "content",
    [
        "item {\n  id: 1\n  name: 'bolt'\n}\nitem {\n  id: 2\n  name: 'nut'\n}\n",
        'item{id:1 name:"bolt"}item{name:"nut" id:2}',
        "item {\n  name: '/m/0bolt'\n  id: 1\n  display_name: 'bolt'\n}\n"
        'item {\n  name: "/m/0nut"\n  id: 2\n  display_name: "nut"\n}\n',
        "item {\n  id: 2\n# the other\n  name: 'nut'\n}\nitem {\n  id: 1\n  name: 'bolt'\n}",
        "item {\n id: 0\n name: 'background'\n}\nitem {\n id: 1\n name: 'bolt'\n}\n"
        "item {\n id: 2\n name: 'nut'\n}",
        "item {\n id: 0\n name: 'bolt'\n}\nitem {\n id: 1\n name: 'nut'\n}",
        "item {\n id: 1\n name: 'bolt'\n keypoints {\n  id: 7\n  label: 'head'\n }\n}\n"
        "item {\n id: 2\n name: 'nut'\n}",
    ],
)
@pytest.mark.parametrize("name", ["map.pbtxt", "map.txt"])
def test_label_maps_are_read(labels_of, name, content):
    """Ids begin at 1, in any order; what people read goes before what machines do."""
    assert labels_of(name, content).names == BOTH


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data.yaml", "train: a\nnc: 2\nnames: ['bolt', 'nut']\n"),
        ("data.yaml", "nc: 2\nnames:\n- bolt\n- nut\n"),
        ("data.yaml", "path: a\nnames:\n  0: bolt\n  1: nut\n"),
        ("data.yml", "names: {1: nut, 0: bolt}\n"),
        ("names.txt", "names:\n  0: bolt\n  1: nut\n"),
        ("names.txt", "- bolt\n- nut\n"),
        ("names.json", '["bolt", "nut"]'),
        ("names.json", '{"0": "bolt", "1": "nut"}'),
        ("names.json", '{"0": "bolt", "1": "nut", "1": "nut"}'),
        ("names.json", '{"nut": 1, "bolt": 0}'),
        ("names.json", '{"names": ["bolt", "nut"], "nc": 2}'),
        ("config.json", '{"id2label": {"0": "bolt", "1": "nut"}}'),
        ("names.json", '[{"id": 1, "name": "bolt"}, {"id": 2, "name": "nut"}]'),
        ("coco.json", '{"images": [], "categories": [{"id": 2, "name": "nut"},'
            ' {"id": 1, "name": "bolt"}]}'),
        ("coco.json", '{"categories": [{"id": 0, "name": "parts", "supercategory": "none"},'
            ' {"id": 1, "name": "bolt", "supercategory": "parts"},'
            ' {"id": 2, "name": "nut", "supercategory": "parts"}]}'),
        ("names.txt", "['bolt', 'nut']"),
        ("names.txt", "{0: 'bolt', 1: 'nut'}"),
    ],
)  # fmt: skip
def test_structures_are_read(labels_of, name, content):
    """Lists, maps either way round, and the usual keys."""
    assert labels_of(name, content).names == BOTH


@pytest.mark.parametrize(
    "content",
    [
        "bolt\nnut\n",
        b"\xef\xbb\xbfbolt\r\nnut\r\n\r\n",
        "bolt\nnut".encode("utf-16"),
        "'bolt'\n'nut'\n",
        '"bolt",\n"nut"\n',
        "0 bolt\n1 nut\n",
        "1 bolt\n2 nut\n",
        "0: bolt\n1: nut\n",
        "1. bolt\n2. nut\n",
        "1) bolt\n2) nut\n",
        "0 - bolt\n1 - nut\n",
        "0 \u2013 bolt\n1 \u2013 nut\n",
        "0=bolt\n1 = nut\n",
        "1 nut\n0 bolt\n",
        "2: nut\n1: bolt\n",
        "0\tbolt\n1\tnut\n",
        "0,bolt\n1,nut\n",
        "1;bolt\n2;nut\n",
        '0,"bolt"\n1,"nut"\n',
        "bolt,0\nnut,1\n",
        "nut\t1\nbolt\t0\n",
        "id,name\n1,bolt\n2,nut\n",
        "name,id\nbolt,0\nnut,1\n",
        "bolt, nut\n",
        "'bolt', 'nut'\n",
        '"bolt","nut",\n',
        "('bolt', 'nut')\n",
        "(\n  'bolt',\n  'nut',\n)\n",
        "???\nbolt\nnut\n",
    ],
)
def test_lines_and_tables_are_read(labels_of, content):
    """With and without numbers, quotes and heads; in either width of letters."""
    assert labels_of("labels.txt", content).names == BOTH


@pytest.mark.parametrize(
    "names",
    [
        ("1 cent", "2 cent"),
        ("1 cent", "2 cent", "5 cent", "10 cent"),
        ("5 euro", "10 euro", "20 euro"),
        ("1 euro", "2 pounds", "50 yen"),
        ("2 door car", "4 door car"),
        ("2 wheeler", "1 car"),
        ("3 bolt", "1 nut"),
        ("0 - 2", "3 - 5"),
        ("1-euro coin", "2-pound coin"),
        ("('bolt')", "nut"),
        ("7 up", "cola"),
        ("0", "1"),
        ("3 bolt", "4 nut"),
        ("0,5 mm", "0,8 mm"),
        ("bolt, long", "bolt, short"),
        ("bolt 1", "bolt 2"),
        ("#1", "#2"),
        ("Schlüssel", "螺母"),
    ],
)
def test_numbers_that_belong_to_names_stay(labels_of, names):
    """They are numbers of classes only if all that is left makes sense without them."""
    assert labels_of("labels.txt", "\n".join(names)).names == names


@pytest.mark.parametrize(
    ("name", "content", "names"),
    [
        ("labels.txt", "bolt\n\nnut\n", ("bolt", "???", "nut")),
        ("labels.txt", "0 bolt\n2 nut\n", ("bolt", "???", "nut")),
        ("labels.txt", "1: bolt\n4: nut\n", ("bolt", "???", "???", "nut")),
        ("map.pbtxt", "item { id: 1 name: 'bolt' } item { id: 3 name: 'nut' }",
            ("bolt", "???", "nut")),
        ("map.pbtxt", "item { id: 2 name: 'bolt' }", ("???", "bolt")),
        ("names.json", '{"0": "bolt", "2": "nut"}', ("bolt", "???", "nut")),
        ("names.yaml", "names:\n  0: bolt\n  2: nut\n", ("bolt", "???", "nut")),
        ("names.csv", "2,nut\n0,bolt\n", ("bolt", "???", "nut")),
    ],
)  # fmt: skip
def test_holes_stay_holes(labels_of, name, content, names):
    """Else every class behind one had the name of the next."""
    assert labels_of(name, content).names == names


def test_names_of_yaml_stay_words(labels_of):
    """YAML takes no for false, and 007 for seven."""
    assert labels_of("data.yaml", "names: [no, on, 007, 1e3]").names == ("no", "on", "007", "1e3")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("labels.txt", "grün\nrot\n".encode("latin-1"), "line 1 is no UTF-8; save it as UTF-8"),
        ("labels.txt", "bolt\n".encode("utf-16-le"), "is no text in UTF-8"),
        ("labels.txt", "bolt\nbolt\n", "names 'bolt' twice"),
        ("labels.txt", "", "names no class"),
        ("labels.txt", "<labels><label>bolt</label></labels>", "is XML or HTML"),
        ("obj.data", "classes= 2\nnames = data/obj.names\n", "line 1, is 'classes= 2', a setting"),
        ("labels.py", "CLASSES = (\n  'bolt',\n)\n", "'CLASSES = .', a setting"),
        ("labels.txt", "# my labels\nbolt\nnut\n", "a comment would count as a class"),
        ("labels.txt", "object {\nbolt\n}\n", "'object {', which is no name"),
        ("labels.csv", "0,bolt,#ff0000\n1,nut,#00ff00\n", "a table of 3 columns"),
        ("labels.csv", "0,bolt\n0,nut\n", "gives the number 0 twice"),
        ("data.yaml", "names:\n  0: bolt\n  1: nut\n  1: pin\n", "1 twice, as nut and as pin"),
        ("data.yaml", "names: [bolt]\nnames: [nut]\n", "gives names twice"),
        ("l.json", '{"0": "bolt", "1": "nut", "1": "pin"}', "gives 1 twice, as nut and as pin"),
        ("l.txt", "{0: 'bolt', 1: 'nut', 1: 'pin'}", "gives 1 twice, as 'nut' and as 'pin'"),
        ("map.pbtxt", "item { id: 1 }", "item 1, lacks its id or its name"),
        ("map.pbtxt", "bolt\nnut\n", "has no item"),
        ("map.pbtxt", "item { id: 1 name: 'a' } item { id: 1 name: 'b' }", "number 1 twice"),
        ("data.yaml", "train: a\nval: b\n", "does not number its classes, but calls them train"),
        ("data.yaml", "nc: 3\nnames: [bolt, nut]\n", "says nc: 3, and names 2 classes"),
        ("data.yaml", "names: [bolt, nut\n", "looks like YAML and is none"),
        ("names.json", '["bolt", "nut"', "looks like JSON and is none"),
        ("names.json", '[["bolt"], ["nut"]]', "without a list of names"),
        ("names.json", '{"0": "bolt", "99999": "nut"}', "the number 99999: too high"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(labels_of, name, content, message):
    """A file of another kind never becomes names line by line."""
    with pytest.raises(ModelFileError, match=message) as refusal:
        labels_of(name, content)

    assert name in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.txt", "bolt\nnut\n", "a.txt (one name a line): 2 names, bolt to nut"),
        ("a.txt", "bolt\n", "a.txt (one name a line): 1 name, bolt"),
        ("a.txt", "1 bolt\n2 nut\n", "a.txt (lines, numbered from 1): 2 names, bolt to nut"),
        ("a.json", '{"0": "bolt", "2": "nut"}',
            "a.json (JSON, numbered from 0): 2 names and 1 hole, bolt to nut"),
    ],
)  # fmt: skip
def test_what_was_read_is_told(labels_of, name, content, told):
    """The file, how it was read, how many names, the first and the last."""
    assert labels_of(name, content).describe().endswith(told)


class TestSearching:
    def test_own_names_go_before_a_dataset_beside(self, tmp_path):
        """Such a file lies there for training; the model's own metadata belong to it."""
        with zipfile.ZipFile(tmp_path / "a.tflite", "w") as archive:
            archive.writestr("meta.txt", json.dumps({"names": {0: "bolt", 1: "nut"}}))
        (tmp_path / "data.yaml").write_text("names: [screw]\n")

        found = search_labels(tmp_path / "a.tflite")

        assert found.names == BOTH
        assert found.origin.startswith("meta.txt within ")

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("labels.txt", "bolt\nnut\n"),
            ("label_map.pbtxt", "item { id: 1 name: 'bolt' } item { id: 2 name: 'nut' }"),
            ("data.yaml", "names: [bolt, nut]\n"),
        ],
    )
    def test_files_beside_are_found(self, tmp_path, name, content):
        """And named in the output."""
        (tmp_path / name).write_text(content)

        found = search_labels(tmp_path / "a.tflite")

        assert (found.names, found.origin) == (BOTH, str(tmp_path / name))

    @pytest.mark.parametrize(
        ("beside", "told"),
        [("nut\nbolt\n", "class 0 is 'bolt'"), ("bolt\npin\n", "class 1 is 'nut'")],
    )
    def test_names_beside_that_contradict_those_within_are_told(self, tmp_path, beside, told):
        """Every object would be called by the name of another class."""
        with zipfile.ZipFile(tmp_path / "a.tflite", "w") as archive:
            archive.writestr("metadata.json", json.dumps({"names": {0: "bolt", 1: "nut"}}))
        (tmp_path / "labels.txt").write_text(beside)

        taken = search_labels(tmp_path / "a.tflite")

        assert taken.names == tuple(beside.split())
        assert told in str(contradiction(taken, tmp_path / "a.tflite"))

    @pytest.mark.parametrize("beside", ["bolt\nnut\n", "bolt\nnut\npin\n"])
    @pytest.mark.parametrize("within", [{"names": {0: "bolt", 1: "nut"}}, {"names": {"bolt": "x"}}])
    def test_names_that_agree_or_count_otherwise_are_no_contradiction(
        self, tmp_path, beside, within
    ):
        with zipfile.ZipFile(tmp_path / "a.tflite", "w") as archive:
            archive.writestr("metadata.json", json.dumps(within))
        (tmp_path / "labels.txt").write_text(beside)

        taken = search_labels(tmp_path / "a.tflite")

        assert contradiction(taken, tmp_path / "a.tflite") is None
