"""Promises of the configuration: one table, two places, the same words for what is wrong."""

import pytest
from edge_detector.cli import options
from edge_detector.cli.config import read_config, read_device_id
from edge_detector.cli.options import RUN, default_threads
from edge_detector.errors import ConfigError


@pytest.fixture(autouse=True)
def bare_home(monkeypatch, tmp_path):
    monkeypatch.setenv("EDGE_DETECTOR_HOME", str(tmp_path / "home"))


def write(tmp_path, text):
    path = tmp_path / "device.toml"
    path.write_text(text)
    return str(path)


def test_defaults_are_those_that_the_help_tells(tmp_path, monkeypatch):
    """Without any argument a device detects on camera 0, with what is installed."""
    config = read_config({})

    assert config.source == "0" and config.channel == "stable" and config.releases is None
    assert config.home == tmp_path / "home"
    assert config.update_every == 900 and config.watchdog == 10 and config.telemetry_every == 60
    assert config.preview is None and config.preview_host == "127.0.0.1"
    assert config.threads == default_threads()
    monkeypatch.delenv("EDGE_DETECTOR_HOME")
    monkeypatch.setenv("HOME", "/somebody")
    assert str(read_config({}).home) == "/somebody/.local/share/edge-detector"


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 1), (4, 2), (6, 3), (64, 4)])
def test_threads_leave_cores_for_the_other_stages(monkeypatch, cores, threads):
    """By default the interpreter takes half the cores, and never more than four."""
    monkeypatch.setattr("os.cpu_count", lambda: cores)

    assert default_threads() == threads


def test_values_are_read_alike_from_file_and_command_line(tmp_path):
    """What can be said on the command line can be said in a file, and means the same."""
    given = {
        "source": "rtsp://camera/stream",
        "frames": "100",
        "threads": "2",
        "threshold": "0.25",
        "label_threshold": ["bolt=0.4", "a=b=0.5"],
        "include": "bolt, nut",
        "headless": True,
        "output": "out.mp4",
        "preview": "8081",
        "update_every": "0",
        "device_id": "line-4",
    }
    text = """
        source = "rtsp://camera/stream"
        frames = 100
        threads = 2
        threshold = 0.25
        include = ["bolt", "nut"]
        headless = true
        output = "out.mp4"
        preview = 8081
        update-every = 0
        device_id = "line-4"
        [label-threshold]
        bolt = 0.4
        "a=b" = 0.5
    """

    from_line = read_config(given)

    assert from_line == read_config({"config": write(tmp_path, text)})
    assert from_line.label_threshold == {"bolt": 0.4, "a=b": 0.5}
    assert from_line.include == frozenset(("bolt", "nut"))


def test_command_line_wins_over_the_file(tmp_path):
    """What is typed counts; all else comes from the file."""
    path = write(tmp_path, 'source = 3\nchannel = "canary"')

    config = read_config({"config": path, "source": "1"})

    assert config.source == "1" and config.channel == "canary"


@pytest.mark.parametrize(
    ("key", "raw", "right"),
    [
        ("threads", "0", "a whole number from 1 to"),
        ("threads", "two", "a whole number"),
        ("threads", "1.5", "a whole number"),
        ("threshold", "1.1", "a number from 0 to 1"),
        ("threshold", "nan", "a number from 0 to 1"),
        ("label_threshold", ["bolt"], "a label and its score: bolt=0.4"),
        ("label_threshold", ["bolt=high"], "a number from 0 to 1"),
        ("label_threshold", ["=0.4"], "a label and its score"),
        ("include", " , ", "at least one label"),
        ("runtime", "onnx", "one of auto, litert, tflite"),
        ("channel", "beta", "one of stable, canary"),
        ("preview", "70000", "a whole number from 0 to 65535"),
        ("update_every", "-1", "a number from 0 to"),
        ("watchdog", "0", "a number from 1 to"),
        ("frames", "0", "a whole number from 1"),
        ("source", " ", "a text"),
        ("device_id", "line 4", "letters, digits, - and _"),
    ],
)
def test_wrong_values_are_told_with_what_would_be_right(key, raw, right):
    """A wrong value names its option, itself, and what the option takes."""
    with pytest.raises(ConfigError, match=right) as caught:
        read_config({key: raw})

    assert f"--{key.replace('_', '-')}" in str(caught.value)
    assert (raw[0] if isinstance(raw, list) else raw) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("threads = true", "threads in .* is 'True': give a whole number"),
        ('threads = "many"', "a whole number"),
        ("frames = 1.5", "a whole number"),
        ("threshold = false", "a number from 0 to 1"),
        ('headless = "yes"', "true or false"),
        ("include = 7", "labels with commas"),
        ("include = [1, 2]", "labels with commas"),
        ("source = true", "a text"),
        ("output = 3", "a text"),
        ("sourc = 0", "'sourc', which is no option; did you mean source?"),
        ("json = true", "'json', which is no option"),
        ("config = 'other.toml'", "'config', which is no option"),
        ("[run]\nsource = 0", "'run', which is no option"),
        ("source = ", "is no TOML"),
        ("source = 0\nsource = 1", "is no TOML"),
    ],
)
def test_wrong_files_are_told_with_what_would_be_right(tmp_path, text, right):
    """A file's mistakes are told with the file's name, and nothing is guessed."""
    with pytest.raises(ConfigError, match=right) as caught:
        read_config({"config": write(tmp_path, text)})

    assert "device.toml" in str(caught.value)


@pytest.mark.parametrize("name", ["missing.toml", "."])
def test_file_that_cannot_be_read_is_told(tmp_path, name):
    """A file that is not there is not the same as an empty one."""
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config({"config": str(tmp_path / name)})


def test_file_that_is_no_text_is_told(tmp_path):
    """Nor is one that is no text."""
    (tmp_path / "device.toml").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(ConfigError, match="is no TOML"):
        read_config({"config": str(tmp_path / "device.toml")})


def test_device_id_is_made_once():
    """A device calls itself the same for ever, unlike any other, and can be told otherwise."""
    config = read_config({})

    made = read_device_id(config)

    assert len(made) == 16 and made == read_device_id(config)
    assert (config.home / "device-id").read_text() == f"{made}\n"
    assert read_device_id(read_config({"device_id": "line-4"})) == "line-4"
    assert read_device_id(config) == made


@pytest.mark.parametrize("torn", [b"", b"\n", b"\xff", b"not an id\n"])
def test_device_id_that_was_torn_is_made_anew(torn):
    """A power cut may leave an empty file: the device starts all the same."""
    config = read_config({})
    config.home.mkdir()
    (config.home / "device-id").write_bytes(torn)

    made = read_device_id(config)

    assert len(made) == 16 and made == read_device_id(config)


def test_home_that_cannot_be_used_is_told(tmp_path):
    """A file in the place of the home is a wrong argument."""
    (tmp_path / "home").write_text("")

    with pytest.raises(ConfigError, match="give a folder of yours with --home"):
        read_device_id(read_config({}))


def test_every_option_has_a_place_in_the_help():
    """No option is without a group, a help text, or a default that can be told."""
    for option in RUN:
        assert option.group in options.GROUPS and option.help
        assert (
            option.metavar is None or option.default_text is not None or option.default is not None
        )
    assert len({option.key for option in RUN}) == len(RUN)
