"""Scaling from files: what is read, and what the others are told."""

import json
import pickle

import numpy as np
import pytest

from services.fraud.errors import ModelError
from services.fraud.registration.feature_names import find_names
from services.fraud.registration.scaling import read_scaling


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("scaling.json", json.dumps({"mean": [1, 10], "scale": [2, 5]})),
        ("scaling.json", json.dumps({"mean_": [1, 10], "scale_": [2, 5], "var_": [4, 25]})),
        ("scaling.json", json.dumps({"min": [1, 10], "max": [3, 15]})),
        ("scaling.json", json.dumps({"mean": [1, 10], "scale": [2, 5], "names": None})),
        ("scaling.csv", "name,mean,scale\nTime,1,2\nAmount,10,5\n"),
        ("scaling.csv", "\ufeffmean,std\n1,2\n\n10,5\n"),
        ("scaling.txt", "name, min, max\nTime, 1, 3\nAmount, 10, 15\n"),
    ],
)
def test_text_files_are_read(tmp_path, name, content):
    """JSON and CSV, with scikit-learn's names and ours, with the features' names and without."""
    (tmp_path / name).write_text(content)

    scaling = read_scaling(tmp_path / name)

    assert scaling.names in (None, ("Time", "Amount"))
    assert scaling.apply(np.array([[3, 15], [1, 10]])).tolist() == [[1, 1], [0, 0]]


def test_archive_of_arrays_is_read_and_a_pickle_is_not_opened(tmp_path):
    """Neither as a file nor as an array within an archive."""
    np.savez(tmp_path / "s.npz", mean=np.array([1.0]), scale=np.array([2.0]), names=np.array(["a"]))
    assert read_scaling(tmp_path / "s.npz").names == ("a",)

    np.savez(tmp_path / "o.npz", mean=np.array([[1]], object), scale=np.array([2.0]))
    (tmp_path / "scaler.pkl").write_bytes(pickle.dumps({"mean": [1]}))
    with pytest.raises(ModelError, match="cannot be read as a scaling"):
        read_scaling(tmp_path / "o.npz")
    with pytest.raises(ModelError, match=r"is a pickle, .* \.json, \.csv or \.npz"):
        read_scaling(tmp_path / "scaler.pkl")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", '{"mean": [1]}', "mean and scale, or min and max .*it has mean alone"),
        ("a.json", "[1, 2]", "has to be an object"),
        ("a.json", "null", "has to be an object"),
        ("a.json", "[" * 9_999, "cannot be read as a scaling"),
        ("a.json", '{"mean": null, "scale": null}', "lists of the same length"),
        ("a.json", '{"mean": {"V1": 1}, "scale": {"V1": 1}}', "have to be lists of numbers"),
        ("a.json", '{"min_": [1], "scale_": [2]}', "write its data_min_ and data_max_"),
        ("a.json", '{"mean": [1, 2], "scale": [1]}', "lists of the same length"),
        ("a.json", '{"mean": [1], "scale": [0]}', "scale of feature number 1 makes a scale of 0"),
        ("a.json", '{"mean": [1], "scale": ["x"]}', "have to be lists of numbers"),
        ("a.json", '{"mean": [1], "scale": [1], "names": ["a", "b"]}', "its names are not one"),
        ("a.json", '{"mean": [1], "scale": [1], "names": [" "]}', "name 1 is empty"),
        ("a.json", '{"mean": [1], "scale": [1], "names": 1}', "names have to be a list"),
        ("a.csv", "name,mean,scale\na,1,1\n,1,1\n", "name 2 is empty"),
        ("a.json", '{"mean": [1], "scale": [NaN]}', "makes a scale of nan"),
        ("a.csv", "distance,0.1,10.5\n", "begin it with name,mean,scale or name,min,max"),
        ("a.csv", "name,min,max\na,1\n", "row 1 has not the 3 cells"),
        ("a.csv", "name,mean,mean,scale\na,1,9,1\n", "more than one mean: leave one"),
        ("a.csv", "name,mean,Mean,scale\na,1,9,1\n", "more than one mean: leave one"),
        ("a.csv", "mean,mean_,scale\n1,9,1\n", "mean and mean_ mean the same and differ"),
        ("a.json", '{"mean": [1], "mean": [9], "scale": [1]}', "more than one mean: leave one"),
        ("a.json", '{"mean": [1], "scale": [1], "Scale": [9]}', "more than one scale: leave one"),
        ("a.json", '{"mean": [1], "scale": [1], "std": [9]}', "scale and std mean the same"),
        ("a.yaml", "mean: 1", r"a scaling is a \.json, \.csv or \.npz file"),
    ],
)
def test_what_is_no_scaling_is_told_in_one_line(tmp_path, name, content, message):
    """What is missing, and what would be right."""
    (tmp_path / name).write_text(content)
    with pytest.raises(ModelError, match=message) as caught:
        read_scaling(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_constant_feature_keeps_its_unit(tmp_path):
    """As scikit-learn has it."""
    (tmp_path / "s.json").write_text('{"min": [2], "max": [2]}')
    assert read_scaling(tmp_path / "s.json").apply(np.array([[5]])).tolist() == [[3]]


def test_features_are_scaled_by_their_names(tmp_path):
    """In the network's order, whatever that of the file; what is not in the file stays."""
    file = tmp_path / "s.csv"
    file.write_text("name,mean,scale\nAmount,10,5\nTime,1,2\n")
    scaling = read_scaling(file).of_features(("Time", "V1", "Amount"), 1, file)
    assert scaling.apply(np.array([[3, 7, 15]])).tolist() == [[1, 7, 1]]

    steps = read_scaling(file).of_features(("Amount_1", "Time_1", "Amount_2", "Time_2"), 2, file)
    assert steps.apply(np.array([[15, 3, 20, 5]])).tolist() == [[1, 1, 2, 2]]
    with pytest.raises(ModelError, match="scales Amount, and no feature is called so"):
        read_scaling(file).of_features(("Time", "V1"), 1, file)


def test_features_of_each_step_keep_the_names_that_the_scaling_gives_them(tmp_path):
    """With a scale for each; also where others of them have none."""
    file = tmp_path / "s.csv"
    file.write_text("name,mean,scale\nV1_1,1,2\nV2_1,2,2\nV1_2,3,2\nV2_2,4,2\n")
    scaling = read_scaling(file)
    named = find_names(None, tmp_path / "n.keras", 4, 2, scaling.names)
    assert named.names == ("V1_1", "V2_1", "V1_2", "V2_2")
    assert scaling.of_features(named.names, 2, file).apply(np.array([[3, 4, 5, 6]])).tolist() == [
        [1, 1, 1, 1]
    ]
    file.write_text("name,mean,scale\nV1_2,3,2\n")
    some = read_scaling(file).of_features(named.names, 2, file)
    assert some.apply(np.array([[3, 4, 5, 6]])).tolist() == [[3, 4, 1, 6]]

    once = find_names(None, tmp_path / "n.keras", 4, 2, ("V1", "V2"))
    assert once.names == named.names
