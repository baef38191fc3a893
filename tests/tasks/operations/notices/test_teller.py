"""What the watcher and the home say is joined, and faults of telling are said once."""

from tasks.operations.notices.notices import Notices
from tasks.operations.notices.teller import HOME_S, Teller, wrong_at_home
from tasks.operations.notices.trouble import Trouble
from tasks.settings import Settings


def trouble(key: str) -> Trouble:
    return Trouble(key, f"{key} happened", "it matters", "do something")


class World:
    """A teller without addresses; home: what is wrong there, or an error."""

    def __init__(self, tmp_path) -> None:
        self.now, self.looks = 0.0, 0
        self.home: list[Trouble] | Exception = []
        self.said: list[str] = []
        self.lines: list[list[str]] = []
        self.teller = Teller(
            Notices(tmp_path, ()),
            self.said.append,
            lambda troubles: self.lines.append([each.key for each in troubles]),
            self.look,
            lambda: self.now,
        )

    def look(self):
        self.looks += 1
        if isinstance(self.home, Exception):
            raise self.home
        return self.home

    def tell(self) -> list[str]:
        self.now += HOME_S
        self.teller.tell()
        return self.lines[-1]


def test_home_is_told_beside_what_the_watcher_sees_and_nothing_twice(tmp_path):
    """The watcher knows more of runs and of the server."""
    world = World(tmp_path)
    world.teller.tell()
    assert world.lines == []  # the watcher has not looked yet

    world.teller([trouble("run-failed:a/b"), trouble("disk")])
    keys = ("disk", "prefect", "no-worker", "run-failed:a/c", "device-silent:cam-7")
    world.home = [trouble(key) for key in keys]
    assert world.tell() == ["run-failed:a/b", "disk", "device-silent:cam-7"]


def test_home_is_looked_at_now_and_then(tmp_path):
    world = World(tmp_path)
    world.teller([])
    world.tell()
    world.now += HOME_S / 2
    world.teller.tell()
    assert world.looks == 1
    world.now += HOME_S / 2
    world.teller.tell()
    assert world.looks == 2


def test_home_that_cannot_be_looked_at_is_said_once_and_what_was_wrong_stays(tmp_path):
    world = World(tmp_path)
    world.teller([])
    world.home = [trouble("disk")]
    assert world.tell() == ["disk"]
    world.home = OSError(5, "Input/output error", "var")
    assert world.tell() == world.tell() == ["disk"]
    world.home = RuntimeError("a bug")
    assert world.tell() == ["disk"]
    world.home = []
    assert world.tell() == []
    assert world.said == [
        "the home is not looked at: var: Input/output error",
        "the home is not looked at: RuntimeError",
    ]


def test_what_cannot_be_written_down_is_said_and_not_sent(tmp_path):
    """A full disk."""
    world = World(tmp_path)

    def refuse(_):
        raise OSError(28, "No space left on device", "state.json")

    world.teller._notices.report = refuse  # type: ignore[method-assign]
    world.teller([])
    assert world.tell() == world.tell() == []
    assert world.said == ["nothing is told: state.json: No space left on device"]


def test_empty_home_has_nothing_that_is_told(tmp_path):
    """Nobody is told of a panel that nobody uses; the disk is this machine's own."""
    found = wrong_at_home(Settings(home=tmp_path))
    assert {each.key for each in found} <= {"disk"}
    assert list(tmp_path.iterdir()) == []
