"""What people write by hand is refused in one line that says what would be right."""

import pytest

from tasks.comparison.advice.need import Requirements, read_requirements
from tasks.comparison.errors import RequirementsError
from tasks.comparison.yaml_file import MAX_BYTES, read_mapping

NEED = "name: a need\nwaiting: nobody\nvolume_per_day: 1000\n"


def refusal(tmp_path, text: str | bytes) -> str:
    """How a file of requirements with this text is refused."""
    file = tmp_path / "need.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RequirementsError) as error:
        read_requirements(file)
    line = str(error.value)
    assert "\n" not in line and line.startswith(f"{file}: ")
    return line.removeprefix(f"{file}: ")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (NEED + "latancy: 5 ms\n", "latancy is no key; did you mean latency?"),
        (NEED + "data_may_leav: no\n", "data_may_leav is no key; did you mean data_may_leave?"),
        (NEED + "zzz: 1\n", "zzz is no key: there are name, about, model, waiting"),
        (NEED.replace("nobody", "persn"), "waiting: persn is not one of nobody, person, machine;"),
        (NEED + "latency: 5\n", "latency: write a number above 0 and its unit, such as 200 ms"),
        (NEED + "name: b\n", "line 1: name is written twice: write it once"),
        ("name: a\nwaiting: nobody\n", "volume_per_day is missing"),
        ("- a\n- b\n", "lines of the form `key: value` are expected"),
        ("just words\n", "lines of the form `key: value` are expected"),
        ("a: [1\n", "line 2: "),
        ("a: !!python/object:os.system x\n", "line 1: could not determine a constructor"),
        (b"\xff\xfe\x00", "it is no text in UTF-8"),
        ("", "name is missing"),
        ("# " + "x" * MAX_BYTES, "more than 1,000,000 bytes"),
        (NEED + "volume_per_day: .nan\n", "line 1: volume_per_day is written twice"),
        (NEED.replace("1000", ".nan"), "volume_per_day: "),
        (NEED + "1: 2\n", "lines of the form"),
    ],
)
def test_fault_is_named_with_what_would_be_right(tmp_path, text, says):
    assert says in refusal(tmp_path, text)


def test_every_fault_of_a_file_is_named_at_once(tmp_path):
    line = refusal(tmp_path, NEED.replace("nobody", "x") + "latency: 1\nfoo: 2\n")
    assert all(word in line for word in ("waiting: ", "latency: ", "foo is no key"))


def test_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(RequirementsError, match=r"gone\.yaml: No such file"):
        read_requirements(tmp_path / "gone.yaml")
    with pytest.raises(RequirementsError, match="Is a directory"):
        read_mapping(tmp_path, RequirementsError)


def test_yes_and_no_are_words_here(tmp_path):
    """YAML takes them for truth values."""
    file = tmp_path / "need.yaml"
    for word, meant in (("no", "no"), ("yes", "yes"), ("results-only", "results-only")):
        file.write_text(f"{NEED}data_may_leave: {word}\n")
        assert read_requirements(file).data_may_leave == meant


def test_requirements_do_not_change():
    need = Requirements(name="a", waiting="nobody", volume_per_day=1)
    with pytest.raises(ValueError, match="frozen"):
        need.waiting = "person"  # type: ignore[misc]
