"""The copy's device: its command, and what it says of itself."""

import json
from pathlib import Path
from typing import Any

from tasks.operations.rehearsal import process
from tasks.operations.rehearsal.errors import Broken, NothingToBreak
from tasks.operations.rehearsal.stage import Stage

PUBLISH = "triptych publish-detector --model bundled"


class Device:
    """A device with a home in the copy, which has a release."""

    def __init__(self, stage: Stage) -> None:
        """Raises: NothingToBreak: nothing is published; Broken: it takes no release."""
        self._stage = stage
        self.home, self.releases = stage.home / "device", stage.home / "releases"
        if not (self.releases / "metadata" / "timestamp.json").is_file():
            raise NothingToBreak(f"no releases in a folder; type: {PUBLISH}")
        if not self.release():
            self.sign("--renew")
            self.expect_update("before anything was broken")

    @property
    def options(self) -> tuple[str, ...]:
        """Of each of its commands."""
        return "--home", str(self.home)

    def update(self) -> tuple[int, str]:
        """Look for a release; the exit status, and what it says."""
        words = ["edge_detector", "update", *self.options, "--releases", str(self.releases)]
        status, command = process.done(words, self._stage.environment())
        return status, command.last_line()

    def expect_update(self, when: str) -> None:
        """Raises: Broken: it cannot look for releases."""
        status, told = self.update()
        if status:
            raise Broken(f"the device could not look for releases {when}: {told}")

    def sign(self, *words: str) -> None:
        """Let the publisher change something.

        Raises: NothingToBreak: its keys are not here; Broken: it cannot.
        """
        if not any((self._stage.home / "keys").glob("*.pem")):
            raise NothingToBreak("the keys that sign lie elsewhere; set TRIPTYCH_RELEASE_KEYS")
        command = ["flows.manage_releases", *words]
        status, publisher = process.done(command, self._stage.environment())
        if status:
            raise Broken(f"the copy's releases cannot be signed: {publisher.last_line()}")

    def release(self) -> str:
        """The slot that it runs; empty: none, or a damaged one."""
        words = ["edge_detector", "status", "--json", *self.options]
        status, command = process.done(words, self._stage.environment())
        try:
            current: dict[str, Any] | None = json.loads(command.said())["current"]
        except (ValueError, LookupError) as error:
            raise Broken(f"the device does not say what it runs: {error} ({status})") from error
        return current["slot"] if current and not current["damaged"] else ""

    def run_words(self, address: str, events: Path) -> list[str]:
        """The command that looks at a stream until it is ended."""
        return [
            *("edge_detector", "run", "--source", address, "--headless", *self.options),
            *("--events", str(events)),
        ]
