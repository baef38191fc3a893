"""Nothing of these tests is brought to the disk: a killed process leaves what it has written, and
only a power cut would not."""

import os

import pytest

from services.storage import database


@pytest.fixture(autouse=True)
def _nothing_is_brought_to_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    open_engine = database._sqlite_engine
    monkeypatch.setattr(os, "fsync", lambda _handle: None)
    monkeypatch.setattr(database, "_sqlite_engine", lambda url, s, _: open_engine(url, s, "OFF"))
