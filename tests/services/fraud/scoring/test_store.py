"""The model store: what goes in comes out, or is refused."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.fraud.errors import ModelError
from services.fraud.scoring import store


def test_model_comes_out_as_it_went_in(model_folder, tmp_path):
    """Under a tag of its own, and without a pickle beside it."""
    tag = store.save(model_folder, tmp_path)

    folder = store.folder(tag, tmp_path)
    assert tag.startswith("fraud_detector:")
    assert {file.name for file in folder.iterdir()} == {*store.FILES, "model.yaml"}
    for name in store.FILES:
        assert (folder / name).read_bytes() == (model_folder / name).read_bytes()
    assert folder.is_relative_to(tmp_path / "bentoml")


def test_tags_are_newest_first(model_folder, tmp_path):
    """A folder that is not whole is none."""
    assert store.tags(tmp_path) == []
    saved = [store.save(model_folder, tmp_path) for _ in range(3)]
    (tmp_path / "bentoml" / "models" / store.MODEL / "29991231-000000-000000").mkdir()

    assert store.tags(tmp_path) == saved[::-1]


def test_store_lies_where_bentoml_home_says(model_folder, tmp_path, monkeypatch):
    """So that BentoML's own commands find it."""
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "elsewhere"))
    tag = store.save(model_folder, tmp_path / "home")

    assert store.folder(tag, tmp_path / "home").is_relative_to(tmp_path / "elsewhere")
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("name", store.FILES)
def test_damaged_model_is_refused(model_folder, tmp_path, name):
    """One changed byte is enough."""
    tag = store.save(model_folder, tmp_path)
    file = store.folder(tag, tmp_path) / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)

    with pytest.raises(ModelError, match="damaged"):
        store.folder(tag, tmp_path)


@pytest.mark.parametrize("tag", ["other:1", "fraud_detector", "fraud_detector:../../etc", ":"])
def test_tag_of_another_kind_is_refused(tmp_path, tag):
    """Before any path is made of it."""
    with pytest.raises(ModelError, match="no tag of a fraud model"):
        store.folder(tag, tmp_path)


def test_unknown_tag_names_what_there_is(model_folder, tmp_path):
    """Also the beginning of a version is unknown."""
    with pytest.raises(ModelError, match="newest there: none"):
        store.folder("fraud_detector:1", tmp_path)
    tag = store.save(model_folder, tmp_path)
    with pytest.raises(ModelError, match=f"newest there: {tag}"):
        store.folder(tag[:-1], tmp_path)


def test_incomplete_folder_is_not_saved(tmp_path):
    """It says what is missing."""
    (tmp_path / "card.json").write_text("{}")
    with pytest.raises(ModelError, match=r"no model\.keras, model\.tflite"):
        store.save(tmp_path, tmp_path)


def test_saving_leaves_the_users_home_alone(model_folder, tmp_path):
    """Nothing in the home folder, and nothing reported to anybody."""
    program = (
        "import sys; from pathlib import Path; from services.fraud.scoring import store\n"
        "store.save(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "import os; assert os.environ['BENTOML_DO_NOT_TRACK'] == 'True'\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    (tmp_path / "user").mkdir()
    process = subprocess.run(
        [sys.executable, "-c", program, str(model_folder), str(tmp_path / "home")],
        cwd=Path(__file__).parents[4],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path / "user")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert process.returncode == 0, process.stderr
    assert list((tmp_path / "user").iterdir()) == []
